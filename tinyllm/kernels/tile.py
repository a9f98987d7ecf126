"""The register tile: the one piece of a product that is written for the processor's vectors.

    C[0:rows, 0:n] = A[0:rows, 0:K] @ B[0:K, 0:n] (+ D)         n columns, up to the tile's vectors

All of C's tile stays in registers while k runs; each step loads one row of B (whole vectors of consecutive
numbers) and multiplies it by one number of each row of A, read from wherever A lies (any strides):

    for k in 0..K-1:   for m in 0..rows-1:   acc[m, :] = fma(A[m, k], B[k, :], acc[m, :])

A compiler does not keep such a tile in registers by itself, so the loop is generated as LLVM instructions,
once per number of rows and vectors.  Every element of C is one chain of fused multiply-adds over k (with int8 one for
each block of k), whatever the number of rows, so a row computed alone has the bits that it has among others.

    vectors    WIDTH   ROWS       chosen where the processor has
    avx512     48      8 4 2 1    512-bit vectors (32 registers of 16 floats)
    avx2       24      4 2 1      256-bit vectors (16 registers of 8 floats)
    neon       12      8 4 2 1    128-bit vectors (32 registers of 4 floats: ARM, and the rest)

Three vectors a row, WIDTH, and as many rows as the registers hold: a number of A that was loaded is used three times.
The last columns of a matrix, up to one or two vectors of them, have narrower tiles of the most rows.  One row of A
waits for memory: it has tiles of 1, 2, 4 and 8 vectors as well, so that no more is read than there is.

B may be int8, a quarter of the bytes to read: its numbers become floats in registers, and at the end the sums of a
column are multiplied by the column's scale.

TINYLLM_VECTORS=avx2 chooses by hand; wider vectors than the processor has still give right results.
float64 runs on the same tile with vectors twice as long, which the compiler splits and partly keeps in memory.
"""
import os

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

TILES = {"avx512": (16, (8, 4, 2, 1)), "avx2": (8, (4, 2, 1)), "neon": (4, (8, 4, 2, 1))}  # lanes, ROWS
VECTORS_PER_ROW = 3
AHEAD = 8  # rows of B that are fetched before they are wanted
LINE = 64  # bytes of a cache line


def _choose():
    chosen = os.environ.get("TINYLLM_VECTORS")
    if chosen:
        if chosen not in TILES:
            raise ValueError(f"TINYLLM_VECTORS: must be one of {', '.join(TILES)}, got {chosen}")
        return chosen
    features = llvmlite.binding.get_host_cpu_features()
    if features.get("avx512f"):
        return "avx512"
    return "avx2" if features.get("avx2") and features.get("fma") else "neon"


VECTORS = _choose()
LANES, ROWS = TILES[VECTORS]
WIDTH = LANES * VECTORS_PER_ROW


def _make_tile(rows, vectors=VECTORS_PER_ROW):
    """tile(zero, weight, a, a_row, a_k, b, b_row, K, scales, d, d_row, c, c_row, n), of rows and vectors a row.

    zero         a float of the dtype, which chooses float32 or float64
    weight       a number of the type that B has: that of zero, or int8
    a, b, c, d   addresses; a_row, a_k, b_row, c_row, d_row strides in bytes, as NumPy's; b has whole vectors
    scales       where B is int8, the address of a float for each column, also for those that do not exist
    d            what is added: c itself, a row for all (d_row 0), or at address 0 nothing
    n            columns of C that exist, 1..vectors * LANES: the others are neither read nor written
    """
    @intrinsic
    def tile(typingctx, zero, weight, a, a_row, a_k, b, b_row, K, scales, d, d_row, c, c_row, n):
        signature = types.void(zero, weight, *[types.intp] * 12)

        def codegen(context, builder, signature, args):
            _, _, a, a_row, a_k, b, b_row, K, scales, d, d_row, c, c_row, n = args
            i64, i32, byte = ir.IntType(64), ir.IntType(32), ir.IntType(8)
            scalar = ir.FloatType() if signature.args[0] == types.float32 else ir.DoubleType()
            bytes_each, weight_bytes = (type_.bitwidth // 8 for type_ in signature.args[:2])
            is_int8 = signature.args[1] == types.int8
            vector = ir.VectorType(scalar, LANES)
            weights = ir.VectorType(ir.IntType(8), LANES) if is_int8 else vector
            mask = ir.VectorType(ir.IntType(1), LANES)
            suffix = f"v{LANES}f{8 * bytes_each}"
            pointers = vector.as_pointer()

            def declare(name, returns, *arguments):
                kind = ir.FunctionType(returns, arguments)
                return cgutils.get_or_insert_function(builder.module, kind, name)

            fma = declare(f"llvm.fma.{suffix}", vector, vector, vector, vector)
            masked_load = declare(f"llvm.masked.load.{suffix}.p0", vector, pointers, i32, mask, vector)
            masked_store = declare(
                f"llvm.masked.store.{suffix}.p0", ir.VoidType(), vector, pointers, i32, mask)
            fetch = declare("llvm.prefetch.p0", ir.VoidType(), byte.as_pointer(), i32, i32, i32)

            def splat(value, type_):
                nothing = ir.Constant(type_, ir.Undefined)
                first_lane = ir.Constant(ir.VectorType(i32, LANES), [0] * LANES)
                return builder.shuffle_vector(
                    builder.insert_element(nothing, value, i32(0)), nothing, first_lane)

            def prefetch(pointer, first, size, writes):
                """Bytes that will be wanted soon: no waiting for the second-level cache then, and no fault anywhere."""
                for place in range(first, first + size, LINE):
                    builder.call(fetch, [builder.gep(pointer, [i64(place)]), i32(writes), i32(3), i32(1)])

            def vector_at(pointer, v):
                return builder.bitcast(builder.gep(pointer, [i64(v * LANES * bytes_each)]), pointers)

            def rows_from(address, stride):
                start = builder.inttoptr(address, byte.as_pointer())
                return [builder.gep(start, [builder.mul(stride, i64(m))]) for m in range(rows)]

            adds = builder.icmp_signed("!=", d, i64(0))
            a_rows, c_rows = rows_from(a, a_row), rows_from(c, c_row)
            # C where nothing is added: a masked load at address 0 costs hundreds of cycles, though it loads nothing
            d_rows = rows_from(builder.select(adds, d, c), builder.select(adds, d_row, c_row))
            b = builder.inttoptr(b, byte.as_pointer())
            grid = [(m, v) for m in range(rows) for v in range(vectors)]
            for c_row_m in c_rows:
                prefetch(c_row_m, 0, vectors * LANES * bytes_each, writes=1)

            before = builder.block
            loop = builder.append_basic_block("over_k")
            done = builder.append_basic_block("done")
            builder.branch(loop)
            builder.position_at_end(loop)
            k = builder.phi(i64)
            k.add_incoming(i64(0), before)
            sums = {}
            for mv in grid:
                sums[mv] = builder.phi(vector)
                sums[mv].add_incoming(ir.Constant(vector, [0.0] * LANES), before)
            b_k = builder.gep(b, [builder.mul(k, b_row)])
            b_now = []
            for v in range(vectors):
                place = builder.gep(b_k, [i64(v * LANES * weight_bytes)])
                b_now.append(builder.load(builder.bitcast(place, weights.as_pointer())))
                b_now[v].align = weight_bytes
                if is_int8:
                    b_now[v] = builder.sitofp(b_now[v], vector)
            b_ahead = builder.gep(b_k, [builder.mul(b_row, i64(AHEAD))])
            prefetch(b_ahead, 0, vectors * LANES * weight_bytes, writes=0)
            a_offset = builder.mul(k, a_k)
            if rows > 1:
                # a line of the next rows of A at each k: these rows in turn, then 8 columns further
                row = builder.add(i64(rows), builder.and_(k, i64(7)))
                place = builder.add(builder.mul(row, a_row), builder.mul(builder.and_(k, i64(-8)), a_k))
                prefetch(builder.gep(a_rows[0], [place]), 0, LINE, writes=0)
            new = {}
            for m in range(rows):
                number = builder.bitcast(builder.gep(a_rows[m], [a_offset]), scalar.as_pointer())
                factor = splat(builder.load(number), vector)
                for v in range(vectors):
                    new[m, v] = builder.call(fma, [factor, b_now[v], sums[m, v]])
            next_k = builder.add(k, i64(1))
            k.add_incoming(next_k, loop)
            for mv in grid:
                sums[mv].add_incoming(new[mv], loop)
            builder.cbranch(builder.icmp_signed("<", next_k, K), loop, done)
            builder.position_at_end(done)
            if is_int8:
                scales = builder.inttoptr(scales, byte.as_pointer())
                for v in range(vectors):
                    scale = builder.load(vector_at(scales, v))
                    scale.align = bytes_each
                    for m in range(rows):
                        new[m, v] = builder.fmul(new[m, v], scale)

            lanes = ir.Constant(ir.VectorType(i64, LANES), list(range(LANES)))
            with builder.if_else(builder.icmp_signed("==", n, i64(vectors * LANES))) as (whole, edge):
                with whole:
                    with builder.if_else(adds) as (add, put):
                        with add:
                            for m, v in grid:
                                old = builder.load(vector_at(d_rows[m], v))
                                old.align = bytes_each
                                place = vector_at(c_rows[m], v)
                                builder.store(builder.fadd(old, new[m, v]), place).align = bytes_each
                        with put:
                            for m, v in grid:
                                place = vector_at(c_rows[m], v)
                                builder.store(new[m, v], place).align = bytes_each
                with edge:
                    zeros = ir.Constant(vector, [-0.0] * LANES)  # x + -0.0 is x, even for x = -0.0
                    for v in range(vectors):
                        left = splat(builder.sub(n, i64(v * LANES)), ir.VectorType(i64, LANES))
                        exists = builder.icmp_signed("<", lanes, left)
                        adding = builder.and_(exists, splat(adds, mask))
                        for m in range(rows):
                            old = builder.call(masked_load, [
                                vector_at(d_rows[m], v), i32(bytes_each), adding, zeros])
                            builder.call(masked_store, [
                                builder.fadd(old, new[m, v]), vector_at(c_rows[m], v), i32(bytes_each), exists])
            return context.get_dummy_value()

        return signature, codegen

    return tile


tile8, tile4, tile2, tile1 = (_make_tile(rows) for rows in (8, 4, 2, 1))
narrower_tile, narrowest_tile = (_make_tile(ROWS[0], vectors) for vectors in (2, 1))
row8, row4, row2, row1 = (_make_tile(1, vectors) for vectors in (8, 4, 2, 1))


@intrinsic
def transpose_block(typingctx, zero, source, source_row, target, target_row):
    """LANES x LANES numbers at address source become their transpose at address target; strides in bytes.

    In registers: for s = 1, 2, 4, ... rows i and i + s exchange the lanes whose bit s is not that of their row.
    """
    signature = types.void(zero, *[types.intp] * 4)

    def codegen(context, builder, signature, args):
        zero, source, source_row, target, target_row = args
        byte, bytes_each = ir.IntType(8).as_pointer(), signature.args[0].bitwidth // 8
        pointers = ir.VectorType(zero.type, LANES).as_pointer()

        def row_at(address, stride, i):
            start = builder.inttoptr(builder.add(address, builder.mul(stride, stride.type(i))), byte)
            return builder.bitcast(start, pointers)

        def picked(first, second, lanes):
            return builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(ir.IntType(32), LANES), lanes))

        rows = [builder.load(row_at(source, source_row, i)) for i in range(LANES)]
        for row in rows:
            row.align = bytes_each
        s = 1
        while s < LANES:
            for i in range(LANES):
                if not i & s:  # lanes of the second row are numbered from LANES on
                    first, second = rows[i], rows[i + s]
                    lanes = range(LANES)
                    rows[i] = picked(first, second, [LANES + lane - s if lane & s else lane for lane in lanes])
                    rows[i + s] = picked(first, second, [LANES + lane if lane & s else lane + s for lane in lanes])
            s *= 2
        for i, row in enumerate(rows):
            builder.store(row, row_at(target, target_row, i)).align = bytes_each
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def pointer_at(typingctx, address, zero):
    """A pointer to numbers of zero's dtype at this address, for numba.carray."""
    signature = types.CPointer(zero)(address, zero)

    def codegen(context, builder, signature, args):
        return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

    return signature, codegen
