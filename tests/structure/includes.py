#!/usr/bin/env python3
"""includes.py ROOT: who may include whom in collectives/, and what of it others may include.

The rooms of collectives/ are layers: each includes itself, those before it in ROOMS, and the public headers beside them.
Files (a header and a source of one name are one) form no cycle across rooms. Folders above include public headers, those
of inspect/, and what INNER lists for them.
"""
import pathlib
import re
import sys

ROOMS = ["system", "schedule", "selection", "transport", "call", "watch", "node", "communicator", "engine", "messages", "api"]

# Headers of rooms that other folders build upon: they are parts of the library, or, as preload, of one binary with it.
# "schedule/" is the whole room.
INNER = {
    "allreduce": [
        "schedule/",
        "call/call.hpp",
        "call/collective_calls.hpp",
        "communicator/call_plan.hpp",
        "communicator/communicator_state.hpp",
        "communicator/hierarchy.hpp",
        "communicator/memory_pools.hpp",
        "engine/dispatch.hpp",
        "engine/node_task.hpp",
        "engine/staged_task.hpp",
        "engine/waiting_task.hpp",
        "selection/cost_model.hpp",
        "selection/selection.hpp",
        "selection/staged_algorithm.hpp",
        "system/leak_until_exit.hpp",
        "system/mpi_call.hpp",
        "system/task.hpp",
    ],
    "compression": [
        "call/call.hpp",
        "communicator/communicator_state.hpp",
        "communicator/rank_group.hpp",
        "selection/selection.hpp",
        "schedule/algorithm_table.hpp",
        "engine/dispatch.hpp",
        "engine/staged_task.hpp",
        "engine/waiting_task.hpp",
        "system/available_memory.hpp",
    ],
    "allreduce/preload": [
        "call/call.hpp",
        "call/collective_calls.hpp",
        "communicator/mpi_control_channel.hpp",
        "communicator/creation_check.hpp",
        "engine/dispatch.hpp",
        "engine/node_task.hpp",
        "engine/waiting_task.hpp",
        "system/leak_until_exit.hpp",
        "system/machine.hpp",
        "transport/bootstrap.hpp",
    ],
    "bench": [],
    "io": [],
    "tools": [],
    "trainer": [],
}

INCLUDE = re.compile(r'^#include [<"]tutti/collectives/([^>"]+)[>"]', re.MULTILINE)


def includes_of(root):
    """(file, header below collectives/) for each include of one, both relative to the root and to collectives/."""
    for folder in ("collectives", *sorted(name for name in INNER if "/" not in name)):
        for file in sorted((root / folder).rglob("*")):
            if file.suffix in (".hpp", ".cpp", ".h", ".c", ".inc", ".cu"):
                for header in INCLUDE.findall(file.read_text()):
                    yield file.relative_to(root).as_posix(), header


def room_of(header):
    return header.split("/")[0] if "/" in header else None


def upward(edges):
    """Includes within collectives/ of a room by a lower one, or of any by a public header."""
    for file, header in edges:
        inside = file.removeprefix("collectives/")
        if inside == file or room_of(inside) == "inspect":
            continue
        to = room_of(header)
        if to is None:
            continue
        if to not in ROOMS:
            yield file, header, f"{to}/ is no room of collectives/"
        elif room_of(inside) is None:
            yield file, header, "a public header includes a private one"
        elif room_of(inside) not in ROOMS:
            yield file, header, f"{room_of(inside)}/ is no room of collectives/"
        elif ROOMS.index(room_of(inside)) < ROOMS.index(to):
            yield file, header, f"{to}/ lies above {room_of(inside)}/"


def cycles(edges):
    """Strongly connected files of several rooms, each as a sorted tuple of names, by Tarjan."""
    unit = lambda path: path.rsplit(".", 1)[0]
    graph = {}
    for file, header in edges:
        inside = file.removeprefix("collectives/")
        if inside != file and "/" in inside and "/" in header:
            graph.setdefault(unit(inside), set()).add(unit(header))
            graph.setdefault(unit(header), set())
    number, low, stack, found = {}, {}, [], []

    def visit(node):
        number[node] = low[node] = len(number)
        stack.append(node)
        for to in graph[node]:
            if to not in number:
                visit(to)
                low[node] = min(low[node], low[to])
            elif to in stack:
                low[node] = min(low[node], number[to])
        if low[node] == number[node]:
            component = []
            while component[-1:] != [node]:
                component.append(stack.pop())
            if len({room_of(name) for name in component}) > 1:
                found.append(tuple(sorted(component)))

    for node in sorted(graph):
        if node not in number:
            visit(node)
    return found


def private(edges):
    """Private headers that folders above include."""
    for file, header in edges:
        folder = max((name for name in INNER if file.startswith(name + "/")), key=len, default=None)
        if folder is None or room_of(header) in (None, "inspect"):
            continue
        allowed = INNER[folder]
        if header not in allowed and room_of(header) + "/" not in allowed:
            yield file, header


def main():
    edges = list(includes_of(pathlib.Path(sys.argv[1])))
    if len(edges) < 500:
        sys.exit(f"includes.py: only {len(edges)} includes were found below {sys.argv[1]}")
    problems = [f"{file}: includes {header}: {why}" for file, header, why in upward(edges)]
    problems += [f"files of several rooms include each other: {', '.join(names)}" for names in cycles(edges)]
    problems += [
        f"{file}: includes {header}, which is private to collectives/: take it from collectives/inspect/"
        for file, header in private(edges)
    ]
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)


main()
