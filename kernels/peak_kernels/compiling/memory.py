"""Arrays that entries allocate: numba's two functions for their memory, made of the C library's.

Numba's run time is a part of numba, and a process that loads an entry from its file may have none.  All that kernels
need of it is memory for scratch arrays, given back when the last reference goes: numba's own code counts references.
"""

from __future__ import annotations

import functools
from typing import Any

from llvmlite import binding, ir

_WORD, _POINTER = ir.IntType(64), ir.IntType(8).as_pointer()
# Of numba's record of an array's memory: references, a destructor and its argument, the data, its size, an allocator.
_FIELDS, _DATA, _SIZE, _ALIGNED = 6, 3, 4, 64
_ALLOCATE, _RELEASE = "NRT_MemInfo_alloc_aligned", "NRT_MemInfo_call_dtor"


def own_memory(module: Any) -> None:
    """Define, within a module, what it asks of numba's run time."""
    functions = binding.parse_assembly(_functions())
    functions.triple, functions.data_layout = module.triple, module.data_layout
    module.link_in(functions)
    for name in (_ALLOCATE, _RELEASE):
        # Seen by nobody else: other code of the process goes on with numba's own.
        module.get_function(name).linkage = "internal"


@functools.cache
def _functions() -> str:
    """Text of a module of the two functions."""
    module = ir.Module("memory")
    take = ir.Function(module, ir.FunctionType(_POINTER, [_WORD]), "malloc")
    give = ir.Function(module, ir.FunctionType(ir.VoidType(), [_POINTER]), "free")
    allocate = ir.Function(module, ir.FunctionType(_POINTER, [_WORD, ir.IntType(32)]), _ALLOCATE)
    builder = ir.IRBuilder(allocate.append_basic_block())
    head = ir.Constant(_WORD, _FIELDS * 8 + _ALIGNED)
    block = builder.call(take, [builder.add(allocate.args[0], head)])
    with builder.if_then(builder.icmp_unsigned("!=", builder.ptrtoint(block, _WORD), ir.Constant(_WORD, 0))):
        _describe(builder, block, allocate.args[0])
    builder.ret(block)
    release = ir.Function(module, ir.FunctionType(ir.VoidType(), [_POINTER]), _RELEASE)
    builder = ir.IRBuilder(release.append_basic_block())
    builder.call(give, [release.args[0]])
    builder.ret_void()
    return str(module)


def _describe(builder: Any, block: Any, size: Any) -> None:
    """Fill the record at the start of a block: one reference, and data behind the record."""
    start = builder.add(builder.ptrtoint(block, _WORD), ir.Constant(_WORD, _FIELDS * 8 + _ALIGNED - 1))
    words = [ir.Constant(_WORD, 0)] * _FIELDS
    words[0] = ir.Constant(_WORD, 1)
    words[_DATA] = builder.and_(start, ir.Constant(_WORD, -_ALIGNED))
    words[_SIZE] = size
    record = builder.bitcast(block, _WORD.as_pointer())
    for place, word in enumerate(words):
        builder.store(word, builder.gep(record, [ir.Constant(ir.IntType(32), place)]))
