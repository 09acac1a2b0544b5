// How a call runs: rules, what is wrong with it, and the choice among the memory of the node and the rows of a table.
#pragma once

#include <span>
#include <string>

#include <tutti/collectives/call/call.hpp>
#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/communicator/call_plan.hpp>
#include <tutti/collectives/communicator/rank_group.hpp>
#include <tutti/collectives/engine/waiting_task.hpp>
#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti::detail {

/// The rows an operation may use: the table of the folder that owns the collective.
using AlgorithmTable = std::span<const Algorithm* const>;

/// Gives a call that names no algorithm the options of the first rule that fits it and can serve it, if there is one
/// (rules.hpp).
void take_rule(const Communicator& comm, AlgorithmTable table, Call& call);

/// What is wrong with the call; otherwise empty, and `found` is how it runs among the ranks of `group`, which the log
/// is told. Stages never run in the memory of the node, where all ranks begin their collectives in one order: they
/// begin when those before are complete (but Stage::start_in_node, which takes its place before).
std::string plan_call(const Communicator& comm, RankGroup& group, AlgorithmTable table, const Call& call, Role role,
                      CallPlan& found);

/// Tells the log of a call that runs in the memory of the node.
void tell_in_node(const Communicator& comm, const Call& call);

}  // namespace tutti::detail
