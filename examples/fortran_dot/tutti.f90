! The C interface of tutti (tutti/tutti.h) for Fortran programs: its main functions, by iso_c_binding. Copy this file into
! your program, and add what you need of the rest in the same way.
!
! Data are passed by c_loc() of a variable that has the attribute target, counts are elements. Buffers of started
! operations stay where they are until the operation is complete: give them the attribute asynchronous too.
module tutti
  use, intrinsic :: iso_c_binding
  implicit none
  public

  ! ---- Numbers of tutti.h

  enum, bind(c)
    enumerator :: TUTTI_SUCCESS = 0
    enumerator :: TUTTI_ERROR_INVALID_ARGUMENT, TUTTI_ERROR_COMMUNICATION, TUTTI_ERROR_OUT_OF_MEMORY, TUTTI_ERROR_OTHER
  end enum

  enum, bind(c)
    enumerator :: TUTTI_F64 = 0
    enumerator :: TUTTI_F32, TUTTI_BF16, TUTTI_F16, TUTTI_I64, TUTTI_I32, TUTTI_I16, TUTTI_I8
    enumerator :: TUTTI_U64, TUTTI_U32, TUTTI_U16, TUTTI_U8
  end enum

  enum, bind(c)
    enumerator :: TUTTI_SUM = 0
    enumerator :: TUTTI_AVG, TUTTI_PROD, TUTTI_MIN, TUTTI_MAX
    enumerator :: TUTTI_BIT_AND, TUTTI_BIT_OR, TUTTI_BIT_XOR, TUTTI_LOGICAL_AND, TUTTI_LOGICAL_OR
  end enum

  integer(c_int), parameter :: TUTTI_ANY_SOURCE = -1

  ! Fields that are zero or c_null_ptr stand for the default.
  type, bind(c) :: tutti_comm_options
    integer(c_size_t) :: struct_bytes  ! c_sizeof() of a variable of this type
    integer(c_int) :: reproducibility = 0
    real(c_double) :: timeout_s = 0
    real(c_double) :: stall_warning_s = 0
    type(c_ptr) :: tuning_file = c_null_ptr
    type(c_ptr) :: network = c_null_ptr
    integer(c_int) :: ranks_per_node = 0
    integer(c_int) :: shared_memory = 0
    integer(c_int) :: transport = 0
  end type

  interface

    ! ---- Communicators and memory

    ! parent: Fortran's handle of a communicator, as MPI_COMM_WORLD of `use mpi`, or %mpi_val of `use mpi_f08`.
    function tutti_comm_create_f(parent, options, comm) bind(c) result(status)
      import :: c_int, c_ptr, tutti_comm_options
      integer(c_int), value :: parent
      type(tutti_comm_options), intent(in), optional :: options
      type(c_ptr), intent(out) :: comm
      integer(c_int) :: status
    end function

    subroutine tutti_comm_free(comm) bind(c)
      import :: c_ptr
      type(c_ptr), value :: comm
    end subroutine

    function tutti_comm_rank(comm) bind(c) result(rank)
      import :: c_int, c_ptr
      type(c_ptr), value :: comm
      integer(c_int) :: rank
    end function

    function tutti_comm_size(comm) bind(c) result(ranks)
      import :: c_int, c_ptr
      type(c_ptr), value :: comm
      integer(c_int) :: ranks
    end function

    function tutti_allocate(comm, count, dtype, memory) bind(c) result(status)
      import :: c_int, c_ptr, c_size_t
      type(c_ptr), value :: comm
      integer(c_size_t), value :: count
      integer(c_int), value :: dtype
      type(c_ptr), intent(out) :: memory
      integer(c_int) :: status
    end function

    function tutti_free(comm, memory) bind(c) result(status)
      import :: c_int, c_ptr
      type(c_ptr), value :: comm, memory
      integer(c_int) :: status
    end function

    ! ---- Collectives

    function tutti_allreduce(comm, data, count, dtype, op) bind(c) result(status)
      import :: c_int, c_ptr, c_size_t
      type(c_ptr), value :: comm, data
      integer(c_size_t), value :: count
      integer(c_int), value :: dtype, op
      integer(c_int) :: status
    end function

    function tutti_broadcast(comm, data, count, dtype, root) bind(c) result(status)
      import :: c_int, c_ptr, c_size_t
      type(c_ptr), value :: comm, data
      integer(c_size_t), value :: count
      integer(c_int), value :: dtype, root
      integer(c_int) :: status
    end function

    function tutti_reduce(comm, input, output, count, dtype, op, root) bind(c) result(status)
      import :: c_int, c_ptr, c_size_t
      type(c_ptr), value :: comm, input, output
      integer(c_size_t), value :: count
      integer(c_int), value :: dtype, op, root
      integer(c_int) :: status
    end function

    function tutti_all_gather(comm, input, output, count, dtype) bind(c) result(status)
      import :: c_int, c_ptr, c_size_t
      type(c_ptr), value :: comm, input, output
      integer(c_size_t), value :: count
      integer(c_int), value :: dtype
      integer(c_int) :: status
    end function

    function tutti_barrier(comm) bind(c) result(status)
      import :: c_int, c_ptr
      type(c_ptr), value :: comm
      integer(c_int) :: status
    end function

    ! ---- Messages

    function tutti_send(comm, data, count, dtype, to) bind(c) result(status)
      import :: c_int, c_ptr, c_size_t
      type(c_ptr), value :: comm, data
      integer(c_size_t), value :: count
      integer(c_int), value :: dtype, to
      integer(c_int) :: status
    end function

    ! source: the rank it came from
    function tutti_receive(comm, data, count, dtype, from, source) bind(c) result(status)
      import :: c_int, c_ptr, c_size_t
      type(c_ptr), value :: comm, data
      integer(c_size_t), value :: count
      integer(c_int), value :: dtype, from
      integer(c_int), intent(out), optional :: source
      integer(c_int) :: status
    end function

    ! ---- Started operations

    function tutti_iallreduce(comm, data, count, dtype, op, operation) bind(c) result(status)
      import :: c_int, c_ptr, c_size_t
      type(c_ptr), value :: comm, data
      integer(c_size_t), value :: count
      integer(c_int), value :: dtype, op
      type(c_ptr), intent(out) :: operation
      integer(c_int) :: status
    end function

    function tutti_wait(operation) bind(c) result(status)
      import :: c_int, c_ptr
      type(c_ptr), value :: operation
      integer(c_int) :: status
    end function

    function tutti_test(operation, complete) bind(c) result(status)
      import :: c_int, c_ptr
      type(c_ptr), value :: operation
      integer(c_int), intent(out) :: complete
      integer(c_int) :: status
    end function

    subroutine tutti_request_free(operation) bind(c)
      import :: c_ptr
      type(c_ptr), value :: operation
    end subroutine

    function error_text_pointer() bind(c, name="tutti_error_text") result(text)
      import :: c_ptr
      type(c_ptr) :: text
    end function

    function c_string_length(text) bind(c, name="strlen") result(length)
      import :: c_ptr, c_size_t
      type(c_ptr), value :: text
      integer(c_size_t) :: length
    end function

  end interface

contains

  ! One sentence about the last error that a call of this thread returned.
  function tutti_error_text() result(text)
    character(len=:), allocatable :: text
    character(kind=c_char), pointer :: letters(:)
    type(c_ptr) :: pointer
    integer :: i
    pointer = error_text_pointer()
    call c_f_pointer(pointer, letters, [c_string_length(pointer)])
    allocate(character(len=size(letters)) :: text)
    do i = 1, size(letters)
      text(i:i) = letters(i)
    end do
  end function

end module
