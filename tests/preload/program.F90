! An MPI program in Fortran, by `use mpi`, or by `use mpi_f08` where USE_F08 is defined: every operation that the preload serves,
! Fortran's own MPI_IN_PLACE and MPI_BOTTOM, communicators made in several ways, and what passes. It knows nothing of tutti but
! which calls should be served, see program.h.
#ifdef USE_F08
#define HANDLE(kind) type(kind)
#else
#define HANDLE(kind) integer
#endif

module expectations
  implicit none
  integer, parameter :: allreduce = 1, bcast = 2, reduce = 3, allgather = 4, allgatherv = 5, reduce_scatter = 6, &
                        reduce_scatter_block = 7, alltoall = 8, barrier = 9
  character(len=20), parameter :: names(9) = [character(len=20) :: 'allreduce', 'bcast', 'reduce', 'allgather', 'allgatherv', &
                                              'reduce_scatter', 'reduce_scatter_block', 'alltoall', 'barrier']
  integer :: served(9) = 0, served_bytes(9) = 0, passed(9) = 0, passed_bytes(9) = 0, started(9) = 0
  integer, parameter :: unit = 11
  integer :: rank, ranks

contains

  subroutine passes(operation, bytes)
    integer, intent(in) :: operation, bytes
    passed(operation) = passed(operation) + 1
    passed_bytes(operation) = passed_bytes(operation) + bytes
  end subroutine

  ! On a communicator of so many ranks.
  subroutine is_served(operation, of_ranks, bytes)
    integer, intent(in) :: operation, of_ranks, bytes
    if (of_ranks == 1) then
      call passes(operation, bytes)
    else
      served(operation) = served(operation) + 1
      served_bytes(operation) = served_bytes(operation) + bytes
    end if
  end subroutine

  subroutine is_started(operation)
    integer, intent(in) :: operation
    started(operation) = started(operation) + 1
  end subroutine

  subroutine open_output()
    character(len=4096) :: folder
    character(len=12) :: name
    call get_environment_variable('PROGRAM_OUTPUT', folder)
    if (len_trim(folder) == 0) folder = '.'
    write (name, '(i0)') rank
    open (unit=unit, file=trim(folder)//'/'//trim(name), action='write', status='replace')
  end subroutine

  subroutine results(step, values)
    character(len=*), intent(in) :: step
    integer, intent(in) :: values(:)
    write (unit, '(a,i0,a,a,a,*(1x,i0))') 'rank ', rank, ': ', step, ':', values
  end subroutine

  subroutine print_expected()
    integer :: i
    do i = 1, 9
      if (served(i) + passed(i) + started(i) == 0) cycle
      write (unit, '(a,i0,a,a,5(a,i0))') 'expected: rank ', rank, ': ', trim(names(i)), ': served ', served(i), ' (', &
        served_bytes(i), ' bytes), passed ', passed(i), ' (', passed_bytes(i), ' bytes), non-blocking or persistent ', started(i)
    end do
    close (unit)
  end subroutine
end module

program fortran_program
#ifdef USE_F08
  use mpi_f08
#else
  use mpi
#endif
  use expectations
  implicit none
  integer :: ierror
  HANDLE(MPI_Comm) :: world

#ifdef USE_F08
  call MPI_Init()  ! the error code is optional
#else
  call MPI_Init(ierror)
#endif
  world = MPI_COMM_WORLD
  call MPI_Comm_rank(world, rank, ierror)
  call MPI_Comm_size(world, ranks, ierror)
  call open_output()
  call operations(world, ranks)
  call reductions()
  call bottom()
  call communicators()
  call refused()
  call non_blocking()
  call print_expected()
#ifdef USE_F08
  call MPI_Finalize()
#else
  call MPI_Finalize(ierror)
#endif

contains

  subroutine operations(comm, size)
    HANDLE(MPI_Comm), intent(in) :: comm
    integer, intent(in) :: size
    integer :: own(4), all(4*size), other(4*size), counts(size), places(size), i, me
    call MPI_Comm_rank(comm, me, ierror)
    own = [(rank*10 + i, i=1, 4)]

    call is_served(bcast, size, 16)
    call MPI_Bcast(own, 4, MPI_INTEGER, size - 1, comm, ierror)
    call results('bcast', own)
    own = [(rank*10 + i, i=1, 4)]
    call is_served(allgather, size, 16*size)
    call MPI_Allgather(own, 4, MPI_INTEGER, all, 4, MPI_INTEGER, comm, ierror)
    call results('allgather', all)
    other = 0
    other(4*me + 1:4*me + 4) = own
    call is_served(allgather, size, 16*size)
    call MPI_Allgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, other, 4, MPI_INTEGER, comm, ierror)
    call results('allgather in place', other)
    counts = [(mod(i, 4) + 1, i=1, size)]
    places(1) = 0
    do i = 2, size
      places(i) = places(i - 1) + counts(i - 1)
    end do
    call is_served(allgatherv, size, 4*sum(counts))
    call MPI_Allgatherv(own, counts(me + 1), MPI_INTEGER, all, counts, places, MPI_INTEGER, comm, ierror)
    call results('allgatherv', all(1:sum(counts)))
    other = all*2
    call is_served(allgatherv, size, 4*sum(counts))
    call MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, other, counts, places, MPI_INTEGER, comm, ierror)
    call results('allgatherv in place', other(1:sum(counts)))
    all = [(rank*100 + i, i=1, 4*size)]
    call is_served(alltoall, size, 16*size)
    call MPI_Alltoall(all, 4, MPI_INTEGER, other, 4, MPI_INTEGER, comm, ierror)
    call results('alltoall', other)
    call is_served(reduce_scatter_block, size, 16*size)
    call MPI_Reduce_scatter_block(all, own, 4, MPI_INTEGER, MPI_SUM, comm, ierror)
    call results('reduce_scatter_block', own)
    call is_served(reduce_scatter, size, 4*sum(counts))
    call MPI_Reduce_scatter(all, own, counts, MPI_INTEGER, MPI_MAX, comm, ierror)
    call results('reduce_scatter', own(1:counts(me + 1)))
    call is_served(reduce_scatter, size, 4*sum(counts))
    call MPI_Reduce_scatter(MPI_IN_PLACE, all, counts, MPI_INTEGER, MPI_SUM, comm, ierror)
    call results('reduce_scatter in place', all(1:counts(me + 1)))
    call is_served(barrier, size, 0)
    call MPI_Barrier(comm, ierror)
  end subroutine

  subroutine reductions()
    double precision :: x(3), y(3)
    real :: a(2)
    complex :: z(2)
    integer :: i(5), pair(2)
    logical :: truth(1)
    x = [1d0, 2d0, 3d0]*(rank + 1)
    y = 0
    call is_served(allreduce, ranks, 24)
    call MPI_Allreduce(x, y, 3, MPI_DOUBLE_PRECISION, MPI_SUM, world, ierror)
    call results('allreduce', nint(y))
    call is_served(reduce, ranks, 24)
    if (rank == ranks - 1) then
      call MPI_Reduce(MPI_IN_PLACE, x, 3, MPI_DOUBLE_PRECISION, MPI_SUM, ranks - 1, world, ierror)
    else
      call MPI_Reduce(x, y, 3, MPI_DOUBLE_PRECISION, MPI_SUM, ranks - 1, world, ierror)
    end if
    call results('reduce', nint(x))
    a = [rank, -rank]
    call is_served(allreduce, ranks, 8)
    call MPI_Allreduce(MPI_IN_PLACE, a, 2, MPI_REAL, MPI_MAX, world, ierror)
    call results('allreduce in place', nint(a))
    z = cmplx(rank, 2*rank)
    call is_served(allreduce, ranks, 16)
    call MPI_Allreduce(MPI_IN_PLACE, z, 2, MPI_COMPLEX, MPI_SUM, world, ierror)
    call results('sum of complex numbers', [nint(real(z)), nint(aimag(z))])
    i = rank + 1
    call is_served(allreduce, ranks, 20)
    call MPI_Allreduce(MPI_IN_PLACE, i, 5, MPI_INTEGER, MPI_BOR, world, ierror)
    call results('bits', i)
    pair = [mod(rank*3, 4), rank]
    call passes(allreduce, 8)
    call MPI_Allreduce(MPI_IN_PLACE, pair, 1, MPI_2INTEGER, MPI_MINLOC, world, ierror)
    call results('minloc', pair)
    truth = rank == 0
    call passes(allreduce, 4)
    call MPI_Allreduce(MPI_IN_PLACE, truth, 1, MPI_LOGICAL, MPI_LOR, world, ierror)
    call results('truth', merge([1], [0], truth))
  end subroutine

  subroutine bottom()
    integer, asynchronous :: first(2)
    integer, asynchronous :: second
    integer(MPI_ADDRESS_KIND) :: places(2)
    HANDLE(MPI_Datatype) :: scattered
    first = [rank, rank + 1]
    second = rank + 2
    call MPI_Get_address(first, places(1), ierror)
    call MPI_Get_address(second, places(2), ierror)
    call MPI_Type_create_hindexed(2, [2, 1], places, MPI_INTEGER, scattered, ierror)
    call MPI_Type_commit(scattered, ierror)
    call passes(bcast, 12)
    call MPI_Bcast(MPI_BOTTOM, 1, scattered, ranks - 1, world, ierror)
    call results('bcast from the bottom', [first, second])
    call MPI_Type_free(scattered, ierror)
  end subroutine

  subroutine use_and_free(comm)
    HANDLE(MPI_Comm), intent(inout) :: comm
    integer :: size
    call MPI_Comm_size(comm, size, ierror)
    call operations(comm, size)
    call MPI_Comm_free(comm, ierror)
    if (comm /= MPI_COMM_NULL) write (unit, '(a)') 'failed: a communicator is freed and not null'
  end subroutine

  subroutine communicators()
    HANDLE(MPI_Comm) :: part, row
    HANDLE(MPI_Group) :: group
    integer :: left, right, members(1)
    call MPI_Comm_dup(world, part, ierror)
    call use_and_free(part)
    call MPI_Comm_split(world, rank/2, -rank, part, ierror)
    call use_and_free(part)
    call MPI_Comm_split_type(world, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, part, ierror)
    call use_and_free(part)
    call MPI_Comm_group(world, group, ierror)
    call MPI_Comm_create(world, group, part, ierror)
    call use_and_free(part)
    call MPI_Comm_create_group(world, group, 3, part, ierror)
    call use_and_free(part)
    call MPI_Group_free(group, ierror)
    call MPI_Cart_create(world, 2, [ranks, 1], [.true., .false.], .false., part, ierror)
    call MPI_Cart_sub(part, [.true., .false.], row, ierror)
    call MPI_Cart_shift(row, 0, 1, left, right, ierror)
    call results('neighbours on a ring', [left, right])
    call use_and_free(row)
    call use_and_free(part)
    members = mod(rank + 1, ranks)
    call MPI_Dist_graph_create(world, 1, [rank], [1], members, MPI_UNWEIGHTED, MPI_INFO_NULL, .false., part, ierror)
    call use_and_free(part)
  end subroutine

  ! By one rank; the others need not know.
  subroutine refused()
    HANDLE(MPI_Comm) :: copy
    integer :: error_class
    call MPI_Comm_set_errhandler(world, MPI_ERRORS_RETURN, ierror)
    if (rank == ranks - 1) then
      copy = world
      call MPI_Comm_free(copy, ierror)
      call MPI_Error_class(ierror, error_class, ierror)
      if (error_class /= MPI_ERR_COMM) write (unit, '(a)') 'failed: the world can be freed'
#ifndef DISCONNECTS_WORLD
      copy = world
      call MPI_Comm_disconnect(copy, ierror)
      call MPI_Error_class(ierror, error_class, ierror)
      if (error_class /= MPI_ERR_COMM) write (unit, '(a)') 'failed: the world can be disconnected'
#endif
    end if
    call is_served(barrier, ranks, 0)
    call MPI_Barrier(world, ierror)
  end subroutine

  subroutine non_blocking()
    HANDLE(MPI_Request) :: requests(3)
    integer, asynchronous :: own, total, data(2)
    own = rank + 1
    data = [rank, 7]
    call is_started(allreduce)
    call is_started(bcast)
    call is_started(barrier)
    call MPI_Iallreduce(own, total, 1, MPI_INTEGER, MPI_SUM, world, requests(1), ierror)
    call MPI_Ibcast(data, 2, MPI_INTEGER, ranks - 1, world, requests(2), ierror)
    call MPI_Ibarrier(world, requests(3), ierror)
    call MPI_Waitall(3, requests, MPI_STATUSES_IGNORE, ierror)
    call results('non-blocking', [total, data])
  end subroutine
end program
