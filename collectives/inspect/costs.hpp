// What messages and bytes cost: the model and its built-in constants, the files that replace these, and the machine
// that such a file was measured on.
#pragma once

#include <tutti/collectives/selection/cost_model.hpp>
#include <tutti/collectives/selection/fingerprint.hpp>
#include <tutti/collectives/selection/network_class.hpp>
#include <tutti/collectives/selection/tuning.hpp>
