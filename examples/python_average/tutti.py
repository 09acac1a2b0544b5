"""The C interface of tutti (tutti/tutti.h) for programs in Python with mpi4py and NumPy: its main functions, by ctypes.

Copy this file beside your program, and add what you need of the rest in the same way. libtutti.so is looked for where the
dynamic linker looks; TUTTI_LIBRARY names another one. It has to be built with the MPI library of mpi4py: the two share the
program's MPI, which `import mpi4py.MPI` initialises and finalises.
"""

import ctypes
import os

import numpy
from mpi4py import MPI

ABI = "0.1"  # of tutti.h, in the library's soname

DTYPES = {
    numpy.dtype(name): number
    for name, number in {
        "float64": 0, "float32": 1, "float16": 3, "int64": 4, "int32": 5, "int16": 6, "int8": 7,
        "uint64": 8, "uint32": 9, "uint16": 10, "uint8": 11,
    }.items()
}  # fmt: skip
OPS = {
    "sum": 0, "avg": 1, "prod": 2, "min": 3, "max": 4,
    "bit_and": 5, "bit_or": 6, "bit_xor": 7, "logical_and": 8, "logical_or": 9,
}  # fmt: skip


class Error(RuntimeError):
    """What a function of the library says has failed. `number` is its tutti_result."""

    def __init__(self, number, text):
        super().__init__(text)
        self.number = number


# MPI_Comm is a number in some MPI libraries and a pointer in others.
_Handle = ctypes.c_int if MPI._sizeof(MPI.Comm) == ctypes.sizeof(ctypes.c_int) else ctypes.c_void_p
_Pointer = ctypes.c_void_p
_Size = ctypes.c_size_t
_Int = ctypes.c_int


def _load():
    library = ctypes.CDLL(os.environ.get("TUTTI_LIBRARY", f"libtutti.so.{ABI}"))
    functions = {
        "tutti_comm_create": [_Handle, ctypes.c_double, ctypes.POINTER(_Pointer)],
        "tutti_allocate": [_Pointer, _Size, _Int, ctypes.POINTER(_Pointer)],
        "tutti_free": [_Pointer, _Pointer],
        "tutti_allreduce": [_Pointer, _Pointer, _Size, _Int, _Int],
        "tutti_iallreduce": [_Pointer, _Pointer, _Size, _Int, _Int, ctypes.POINTER(_Pointer)],
        "tutti_broadcast": [_Pointer, _Pointer, _Size, _Int, _Int],
        "tutti_all_gather": [_Pointer, _Pointer, _Pointer, _Size, _Int],
        "tutti_barrier": [_Pointer],
        "tutti_test": [_Pointer, ctypes.POINTER(_Int)],
        "tutti_wait": [_Pointer],
    }
    for name, arguments in functions.items():
        getattr(library, name).argtypes = arguments
        getattr(library, name).restype = _Int
    for name in ("tutti_comm_free", "tutti_request_free"):
        getattr(library, name).argtypes = [_Pointer]
        getattr(library, name).restype = None
    library.tutti_error_text.restype = ctypes.c_char_p
    return library


_library = _load()


def _call(name, *arguments):
    result = getattr(_library, name)(*arguments)
    if result != 0:
        raise Error(result, _library.tutti_error_text().decode())


def _buffer(array, writable):
    """Address, elements and dtype of an array that the library may use as it lies."""
    if array.dtype not in DTYPES:
        raise TypeError(f"tutti has no dtype for {array.dtype}")
    if not array.flags.c_contiguous or (writable and not array.flags.writeable):
        raise ValueError("the array has to be contiguous" + (" and writable" if writable else ""))
    return array.ctypes.data, array.size, DTYPES[array.dtype]


class Request:
    """A collective that is under way. It keeps its array alive, which must not be touched before wait() has returned."""

    def __init__(self, handle, array):
        self._handle = handle
        self._array = array

    def test(self):
        """Advances without waiting; True once it is complete."""
        complete = _Int()
        _call("tutti_test", self._handle, ctypes.byref(complete))
        return complete.value == 1

    def wait(self):
        _call("tutti_wait", self._handle)
        return self._array

    def __del__(self):
        _library.tutti_request_free(self._handle)


class Communicator:
    """The ranks of an mpi4py communicator. Collective, as is close(); use it in a `with` statement."""

    def __init__(self, comm=MPI.COMM_WORLD, timeout=0.0):
        self._handle = _Pointer()
        parent = _Handle.from_address(MPI._addressof(comm))
        _call("tutti_comm_create", parent, timeout, ctypes.byref(self._handle))
        self.rank = comm.rank
        self.size = comm.size

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Arrays of allocate() must not be used afterwards."""
        _library.tutti_comm_free(self._handle)
        self._handle = _Pointer()

    def allocate(self, shape, dtype=numpy.float32):
        """An array of zeros in memory that the ranks of a node can map: the memory to put gradients in. It is given
        back by close()."""
        dtype = numpy.dtype(dtype)
        count = int(numpy.prod(shape))
        memory = _Pointer()
        _call("tutti_allocate", self._handle, count, DTYPES[dtype], ctypes.byref(memory))
        if count == 0:
            return numpy.zeros(shape, dtype)
        bytes_of = (ctypes.c_byte * (count * dtype.itemsize)).from_address(memory.value)
        return numpy.frombuffer(bytes_of, dtype).reshape(shape)

    def allreduce(self, array, op="sum"):
        """Replaces the array on every rank by the element-wise `op` over all ranks."""
        _call("tutti_allreduce", self._handle, *_buffer(array, True), OPS[op])
        return array

    def iallreduce(self, array, op="sum"):
        operation = _Pointer()
        _call("tutti_iallreduce", self._handle, *_buffer(array, True), OPS[op], ctypes.byref(operation))
        return Request(operation, array)

    def broadcast(self, array, root=0):
        """Copies the array of rank `root` to all ranks."""
        _call("tutti_broadcast", self._handle, *_buffer(array, True), root)
        return array

    def all_gather(self, array):
        """The ranks' arrays, which have one shape and dtype, along a new first axis."""
        result = numpy.empty((self.size, *array.shape), array.dtype)
        address, count, dtype = _buffer(array, False)
        _call("tutti_all_gather", self._handle, address, result.ctypes.data, count, dtype)
        return result

    def barrier(self):
        _call("tutti_barrier", self._handle)
