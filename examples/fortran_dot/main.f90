! The dot product of two vectors whose parts are on all ranks, through the C interface of tutti.
!
! x(i) = i and y(i) = 1 for i = 1, ..., n: the product is n (n + 1) / 2, which is exact in 64 bits.
program dot
  use mpi_f08
  use tutti
  implicit none

  integer, parameter :: n = 1000000
  type(tutti_comm_options), target :: options
  type(c_ptr) :: comm, memory, operation
  real(c_double), pointer :: x(:)
  real(c_double), allocatable :: y(:)
  real(c_double), target, asynchronous :: whole, squares
  real(c_double) :: expected, expected_squares
  integer :: rank, ranks, first, last, i

  call MPI_Init()
  options%struct_bytes = c_sizeof(options)
  options%timeout_s = 60
  call require(tutti_comm_create_f(MPI_COMM_WORLD%mpi_val, options, comm), "tutti_comm_create_f")
  rank = tutti_comm_rank(comm)
  ranks = tutti_comm_size(comm)

  ! This rank has elements first to last.
  first = int(int(n, c_int64_t) * rank / ranks) + 1
  last = int(int(n, c_int64_t) * (rank + 1) / ranks)
  call require(tutti_allocate(comm, int(last - first + 1, c_size_t), TUTTI_F64, memory), "tutti_allocate")
  call c_f_pointer(memory, x, [last - first + 1])
  allocate(y(last - first + 1))
  x = [(real(i, c_double), i = first, last)]
  y = 1

  whole = dot_product(x, y)
  squares = dot_product(x, x)
  ! One sum is started, and under way while the other is called.
  call require(tutti_iallreduce(comm, c_loc(squares), 1_c_size_t, TUTTI_F64, TUTTI_SUM, operation), "tutti_iallreduce")
  call require(tutti_allreduce(comm, c_loc(whole), 1_c_size_t, TUTTI_F64, TUTTI_SUM), "tutti_allreduce")
  call require(tutti_wait(operation), "tutti_wait")
  call tutti_request_free(operation)

  expected = real(n, c_double) * (n + 1) / 2
  expected_squares = real(n, c_double) * (n + 1) / 6 * (2 * real(n, c_double) + 1)
  if (rank == 0) print '(i0, a, f0.1, a, es14.8)', ranks, " ranks, x.y ", whole, ", x.x ", squares
  if (whole /= expected) call fail("x.y is wrong")
  ! Each of the n sums was rounded.
  if (abs(squares - expected_squares) > n * epsilon(squares) * expected_squares) call fail("x.x is wrong")

  call require(tutti_free(comm, memory), "tutti_free")
  call tutti_comm_free(comm)
  call MPI_Finalize()

contains

  subroutine require(status, what)
    integer(c_int), intent(in) :: status
    character(len=*), intent(in) :: what
    if (status /= TUTTI_SUCCESS) call fail(what // ": " // tutti_error_text())
  end subroutine

  subroutine fail(why)
    use, intrinsic :: iso_fortran_env, only: error_unit
    character(len=*), intent(in) :: why
    write (error_unit, '(2a)') "dot: ", why
    call MPI_Abort(MPI_COMM_WORLD, 1)
  end subroutine

end program
