/* How the ranks of a node use each other's memory: the protocol of collectives/node (rank_block.hpp, node_collective.cpp, copy_pipeline.cpp), made so small
 * that spin can try every order in which ranks take the steps of a few collectives after each other.
 *
 * A collective of a rank is a process: those that a rank has under way advance in any order. Data are the number of what was
 * written: a slot has that of its chunk, a post that of its collective. An access is one step, which can fall anywhere
 * between the look at a counter that permits it and the store that tells of it. To look at the counters of several ranks is
 * one step too, because none ever decreases.
 *
 * Proved: who reads finds what belongs to its chunk or collective, so that nothing is read before it is written, nor written
 * over before it is read; a caller's memory is touched only while its rank is in the call; every collective ends. No process
 * does a thing twice, so none goes on for ever.
 *
 * With `broken` one rule is, and spin has to find out (check.sh). Not modelled: when a processor's stores become visible,
 * which ThreadSanitizer watches (tests/collectives/node/node_threads_test.cpp). */
#define MOST_RANKS 3
#define MOST_CALLS 3
#define SLOTS 2
#define CHUNKS 3

byte ranks, calls, posts, broken;
bool only_small; /* no call moves chunks */
c_decl {
  \#include <stdlib.h>
}

/* Rules that can be broken. */
#define INPUT_IS_FREE_EARLY (broken == 1)
#define RESULT_IS_FREE_EARLY (broken == 2)
#define MOVES_UNFILLED (broken == 3)
#define TAKES_UNMOVED (broken == 4)
#define POSTS_EARLY (broken == 5)
#define LEAVES_POSTS_EARLY (broken == 6)
#define LEAVES_MEMORY_EARLY (broken == 7)
#define TELLS_EARLY (broken == 8)
#define COUNTS_NO_IDLE_CHUNKS (broken == 9)
#define AWAITS_NO_TURN (broken == 10)
#define LEAVES_RESULTS_EARLY (broken == 11)
#define TELLS_RARELY (broken == 12)

typedef Rank {
  /* What the others see. */
  byte told; /* collectives before this number read no post any more */
  byte number[MOST_CALLS], body[MOST_CALLS]; /* of posts */
  byte filled, moved, taken; /* chunks with which it is done */
  byte input[SLOTS], result[SLOTS]; /* staged */
  byte output[MOST_CALLS]; /* chunks of it that are there */
  bool in_call[MOST_CALLS];
  /* What it alone knows. */
  byte turn, first; /* of the collective whose turn it is, and the number of its first chunk */
  byte left; /* as told, which is not told of each small one */
  bool left_early[MOST_CALLS];
};
Rank rank[MOST_RANKS];

/* Who moves what: sets of ranks. */
typedef Call {
  bool is_small;
  byte owners, sources, targets; /* targets: others than the owner itself */
  byte staged_inputs, staged_outputs; /* of sources that cannot be reached, and targets that cannot be mapped */
  bool reads_outputs; /* these targets take results from the outputs of the owners, not from what they stage */
  bool has_two_steps; /* what a rank stages it reduces from the inputs of its domain */
  byte chunks;
};
Call call[MOST_CALLS];

#define ALL ((1 << ranks) - 1)
#define ROOT 1
#define has(set, r) (((set) >> (r)) & 1)
#define share_domain(a, b) ((a) / 2 == (b) / 2)
#define are_peers(a, b) ((a) % 2 == (b) % 2)
#define ROOTS_DOMAIN (ALL & 3)
#define every(p) (p(0) && p(1) && (ranks < 3 || p(2)))

/* As work_split.cpp cuts them. */
inline draw(c) {
  c.chunks = CHUNKS;
  if
  :: c.is_small = true; c.owners = ALL; c.sources = ALL /* allreduce, all-gather */
  :: c.is_small = true; c.owners = ALL - ROOT; c.sources = ROOT /* broadcast */
  :: !only_small; c.owners = ALL; c.sources = ALL; c.targets = ALL; /* allreduce: all mapped, or some, or nothing */
     if
     :: skip
     :: c.staged_inputs = ROOT
     :: c.staged_outputs = ROOT
     :: c.staged_inputs = ALL; c.staged_outputs = ALL
     :: c.staged_outputs = ALL; c.reads_outputs = true
     :: c.staged_inputs = ROOT; c.staged_outputs = ROOT; c.reads_outputs = true
     fi
  :: !only_small; c.owners = ALL - ROOT; c.sources = ROOT; c.staged_inputs = ROOT /* broadcast */
  :: !only_small; c.owners = ALL; c.sources = ROOT; c.chunks = 1; /* scatter */
     if
     :: skip
     :: c.staged_inputs = ROOT
     fi
  :: !only_small; c.owners = ALL; c.sources = ALL; c.staged_inputs = ALL - ROOT /* all-gather */
  :: !only_small; c.owners = ROOT; c.sources = ALL; c.staged_inputs = ALL /* gather */
  :: !only_small; c.owners = ALL; c.targets = ROOT /* gather into mapped memory */
  :: !only_small && posts == 1; c.has_two_steps = true; c.owners = ALL; c.sources = ALL; c.staged_inputs = ALL; c.targets = ALL
     /* allreduce by domain */
  :: !only_small && posts == 1; c.has_two_steps = true; c.owners = ROOTS_DOMAIN; c.sources = ALL; c.staged_inputs = ALL
     /* reduce by domain */
  fi
}

/* Of such data nothing else matters if the root has to stage them, which the others see in its post. */
#define comes_from_root(op) (call[op].sources == ROOT && call[op].targets == 0)

#define has_left(r) (rank[r].told + posts + (POSTS_EARLY -> 1 : 0) > op)
#define has_posted(r) (!has(awaited, r) || rank[r].number[op % posts] == op + 1)
#define is_source(r) (has(call[op].sources, r) && (!call[op].has_two_steps || are_peers(r, me)))
#define has_filled(r) (!is_source(r) || rank[r].filled + (MOVES_UNFILLED -> 1 : 0) > first + moved)
#define has_moved(r) (rank[r].moved + (TAKES_UNMOVED -> 1 : 0) > first + taken)
#define has_moved_all(r) (!has(call[op].owners, r) || rank[r].moved >= first + call[op].chunks)
#define has_taken_all(r) (rank[r].taken >= first + call[op].chunks)
#define has_read_input(r) (rank[r].moved + SLOTS + (INPUT_IS_FREE_EARLY -> 1 : 0) > first + filled)
#define has_read_result(r) (rank[r].taken + SLOTS + (RESULT_IS_FREE_EARLY -> 1 : 0) > first + moved)

/* Of a chunk, counted from that of the collective's first. */
#define slot(chunk) ((first + (chunk)) % SLOTS)
#define mark(chunk) (first + (chunk) + 1)

inline leave() {
  d_step {
    rank[me].left_early[op] = true;
    do
    :: rank[me].left < calls && rank[me].left_early[rank[me].left] -> rank[me].left++
    :: else -> break
    od;
    if
    :: call[op].is_small && rank[me].left % (posts + (TELLS_RARELY -> 1 : 0)) != 0
    :: else -> rank[me].told = rank[me].left
    fi
  }
}

inline read_posts() {
  d_step {
    for (r : 0 .. ranks - 1) {
      assert(!has(awaited, r) || rank[r].body[op % posts] == op + 1)
    }
    r = 0
  }
}

/* A rank's pieces of a chunk are read where they are and written where they belong. */
inline move_pieces() {
  d_step {
    for (r : 0 .. ranks - 1) {
      if
      :: r == me || !is_source(r)
      :: r != me && is_source(r) && has(call[op].staged_inputs, r) -> assert(rank[r].input[slot(moved)] == mark(moved))
      :: else -> assert(rank[r].in_call[op])
      fi;
      assert(r == me || !has(call[op].targets, r) || has(call[op].staged_outputs, r) || rank[r].in_call[op])
    }
    r = 0;
    rank[me].output[op] = moved + 1;
    if
    :: call[op].staged_outputs && !call[op].reads_outputs -> rank[me].result[slot(moved)] = mark(moved)
    :: else
    fi
  }
}

/* What a rank stages is its own, or in two steps what its domain brings. */
inline read_inputs() {
  d_step {
    for (r : 0 .. ranks - 1) {
      assert(!call[op].has_two_steps || !share_domain(r, me) || rank[r].in_call[op])
    }
    r = 0
  }
}

inline take_results() {
  d_step {
    for (r : 0 .. ranks - 1) {
      if
      :: call[op].reads_outputs -> assert(rank[r].in_call[op] && rank[r].output[op] > taken)
      :: else -> assert(r == me || rank[r].result[slot(taken)] == mark(taken))
      fi
    }
    r = 0
  }
}

proctype collective(byte me, op) {
  byte r, awaited, turn, first, filled, moved, taken;
  bool is_touched;

  atomic {
    every(has_left);
    d_step {
      awaited = (has(call[op].owners, me) -> call[op].sources : 0);
      if
      :: call[op].is_small
      :: !call[op].is_small && comes_from_root(op) && me != 0 -> awaited = ROOT
      :: !call[op].is_small && comes_from_root(op) && me == 0 && call[op].staged_inputs -> awaited = 0
      :: else -> awaited = ALL
      fi;
      for (r : 0 .. op) {
        turn = turn + (r < op && !call[r].is_small -> 1 : 0)
      }
      r = 0
    }
  }
  d_step {
    rank[me].in_call[op] = true;
    rank[me].body[op % posts] = op + 1
  }
  rank[me].number[op % posts] = op + 1;

  every(has_posted);
  if
  :: !call[op].is_small && awaited == ROOT && !call[op].staged_inputs -> awaited = ALL; every(has_posted)
  :: else
  fi;
  if
  :: LEAVES_POSTS_EARLY -> leave()
  :: else
  fi;
  read_posts();
  if
  :: call[op].is_small -> goto over
  :: else
  fi;

  atomic {
    rank[me].turn == turn || AWAITS_NO_TURN;
    d_step {
      first = rank[me].first;
      filled = (has(call[op].staged_inputs, me) || COUNTS_NO_IDLE_CHUNKS -> 0 : call[op].chunks);
      moved = (has(call[op].owners, me) || COUNTS_NO_IDLE_CHUNKS -> 0 : call[op].chunks);
      taken = (has(call[op].staged_outputs, me) || COUNTS_NO_IDLE_CHUNKS -> 0 : call[op].chunks);
      is_touched = has(call[op].sources & ~call[op].staged_inputs, me) ||
                   has(call[op].targets & ~call[op].staged_outputs, me) || call[op].has_two_steps;
      rank[me].filled = first + filled
    }
  }
  rank[me].moved = first + moved;
  rank[me].taken = first + taken;

  do
  :: filled < call[op].chunks && has(call[op].staged_inputs, me) && every(has_read_input) ->
     rank[me].filled = rank[me].filled + (TELLS_EARLY -> 1 : 0);
     read_inputs();
     rank[me].input[slot(filled)] = mark(filled);
     d_step {
       filled++;
       rank[me].filled = first + filled
     }
  :: moved < call[op].chunks && has(call[op].owners, me) && (!call[op].staged_inputs || every(has_filled)) &&
     (!call[op].staged_outputs || call[op].reads_outputs || every(has_read_result)) ->
     move_pieces();
     d_step {
       moved++;
       rank[me].moved = first + moved
     }
  :: taken < call[op].chunks && has(call[op].staged_outputs, me) && taken < moved && every(has_moved) ->
     take_results();
     d_step {
       taken++;
       rank[me].taken = first + taken
     }
  :: filled == call[op].chunks && moved == call[op].chunks && taken == call[op].chunks &&
     (!is_touched || LEAVES_MEMORY_EARLY || every(has_moved_all)) &&
     (!call[op].reads_outputs || LEAVES_RESULTS_EARLY || every(has_taken_all)) -> break
  od;
  atomic {
    rank[me].first = first + call[op].chunks;
    rank[me].turn++
  }

over:
  atomic {
    rank[me].in_call[op] = false;
    leave()
  }
}

init {
  byte r, c;
  c_code {
    now.ranks = atoi(getenv("RANKS"));
    now.calls = atoi(getenv("CALLS"));
    now.posts = atoi(getenv("POSTS"));
    now.broken = atoi(getenv("BROKEN"));
    now.only_small = getenv("ONLY_SMALL") != NULL;
  };
  atomic {
    for (c : 0 .. calls - 1) {
      draw(call[c]);
      for (r : 0 .. ranks - 1) {
        run collective(r, c)
      }
    }
  }
}
