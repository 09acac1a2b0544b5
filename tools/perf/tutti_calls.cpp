#include "tools/perf/calls.hpp"

namespace tutti::tools::tutti_calls {
namespace {

bool is_root(const Call& c) { return c.rank == c.root; }

/// What only the root has.
Buffer output_at_root(const Call& c) { return is_root(c) ? c.output : Buffer{}; }
ConstBuffer input_at_root(const Call& c) { return is_root(c) ? ConstBuffer(c.input) : ConstBuffer{}; }

}  // namespace

const Calls allreduce = {
    .run =
        [](const Call& c) {
          if (c.in_place) return tutti::allreduce(*c.comm, c.output, c.op, c.options);
          tutti::allreduce(*c.comm, c.input, c.output, c.op, c.options);
        },
    .start =
        [](const Call& c) {
          return c.in_place ? tutti::iallreduce(*c.comm, c.output, c.op, c.options)
                            : tutti::iallreduce(*c.comm, c.input, c.output, c.op, c.options);
        },
};

const Calls broadcast = {
    .run = [](const Call& c) { tutti::broadcast(*c.comm, c.output, c.root, c.options); },
    .start = [](const Call& c) { return tutti::ibroadcast(*c.comm, c.output, c.root, c.options); },
};

const Calls all_gather = {
    .run = [](const Call& c) { tutti::all_gather(*c.comm, c.input, c.output, c.options); },
    .start = [](const Call& c) { return tutti::iall_gather(*c.comm, c.input, c.output, c.options); },
};

const Calls reduce_scatter = {
    .run = [](const Call& c) { tutti::reduce_scatter(*c.comm, c.input, c.output, c.op, c.options); },
    .start = [](const Call& c) { return tutti::ireduce_scatter(*c.comm, c.input, c.output, c.op, c.options); },
};

const Calls reduce = {
    .run = [](const Call& c) { tutti::reduce(*c.comm, c.input, output_at_root(c), c.op, c.root, c.options); },
    .start = [](const Call& c) { return tutti::ireduce(*c.comm, c.input, output_at_root(c), c.op, c.root, c.options); },
};

const Calls gather = {
    .run = [](const Call& c) { tutti::gather(*c.comm, c.input, output_at_root(c), c.root, c.options); },
    .start = [](const Call& c) { return tutti::igather(*c.comm, c.input, output_at_root(c), c.root, c.options); },
};

const Calls scatter = {
    .run = [](const Call& c) { tutti::scatter(*c.comm, input_at_root(c), c.output, c.root, c.options); },
    .start = [](const Call& c) { return tutti::iscatter(*c.comm, input_at_root(c), c.output, c.root, c.options); },
};

const Calls all_to_all = {
    .run = [](const Call& c) { tutti::all_to_all(*c.comm, c.input, c.output, c.options); },
    .start = [](const Call& c) { return tutti::iall_to_all(*c.comm, c.input, c.output, c.options); },
};

const Calls barrier = {
    .run = [](const Call& c) { tutti::barrier(*c.comm, c.options); },
    .start = [](const Call& c) { return tutti::ibarrier(*c.comm, c.options); },
};

const Calls all_gather_v = {
    .run = [](const Call& c) { tutti::all_gather_v(*c.comm, c.input, c.output, c.output_blocks.counts, c.options); },
    .start =
        [](const Call& c) {
          return tutti::iall_gather_v(*c.comm, c.input, c.output, c.output_blocks.counts, c.options);
        },
};

const Calls reduce_scatter_v = {
    .run =
        [](const Call& c) {
          tutti::reduce_scatter_v(*c.comm, c.input, c.output, c.input_blocks.counts, c.op, c.options);
        },
    .start =
        [](const Call& c) {
          return tutti::ireduce_scatter_v(*c.comm, c.input, c.output, c.input_blocks.counts, c.op, c.options);
        },
};

const Calls gather_v = {
    .run =
        [](const Call& c) {
          tutti::gather_v(*c.comm, c.input, output_at_root(c), c.output_blocks.counts, c.root, c.options);
        },
    .start =
        [](const Call& c) {
          return tutti::igather_v(*c.comm, c.input, output_at_root(c), c.output_blocks.counts, c.root, c.options);
        },
};

const Calls scatter_v = {
    .run =
        [](const Call& c) {
          tutti::scatter_v(*c.comm, input_at_root(c), c.output, c.input_blocks.counts, c.root, c.options);
        },
    .start =
        [](const Call& c) {
          return tutti::iscatter_v(*c.comm, input_at_root(c), c.output, c.input_blocks.counts, c.root, c.options);
        },
};

const Calls all_to_all_v = {
    .run =
        [](const Call& c) {
          tutti::all_to_all_v(*c.comm, c.input, c.input_blocks.counts, c.output, c.output_blocks.counts, c.options);
        },
    .start =
        [](const Call& c) {
          return tutti::iall_to_all_v(*c.comm, c.input, c.input_blocks.counts, c.output, c.output_blocks.counts,
                                      c.options);
        },
};

}  // namespace tutti::tools::tutti_calls
