"""Batch norm in front of a concatenation that linear operators read, and of recurrent layers (R9, R10)."""

from __future__ import annotations

from tests.support.fold_bank.case import Away, Constant, Norm, folds, keeps, partly

CONV: dict[str, Constant] = {"n": Norm(3), "w": (4, 3, 3, 3)}

JOINED = (
    folds(
        "concat_into_conv",
        "R9",
        "float[N,3,8,8] x, float[N,2,8,8] r => y { d = norm(x, n)  j = Concat<axis=1>(d, r)  y = Conv(j, w) }",
        n=Norm(3),
        w=(4, 5, 3, 3),
    ),
    folds(
        "concat_of_two_norms_into_conv",
        "R9",
        "float[N,3,8,8] x, float[N,2,8,8] r => y { d = norm(x, n)  e = norm(r, m)"
        "  j = Concat<axis=1>(d, e)  y = Conv(j, w, b) }",
        n=Norm(3),
        m=Norm(2),
        w=(4, 5, 3, 3),
        b=(4,),
    ),
    folds(
        "concat_into_gemm",
        "R9",
        "float[N,6] x, float[N,2] r => y { d = norm(x, n)  j = Concat<axis=1>(r, d)  y = Gemm(j, w) }",
        n=Norm(6),
        w=(8, 4),
    ),
    partly(
        "concat_into_padded_conv",
        "R10 c",
        "float[N,3,8,8] x, float[N,2,8,8] r => y { d = norm(x, n)  j = Concat<axis=1>(d, r)  y = Conv<pads=[1,1,1,1]>(j, w) }",
        1,
        n=Norm(3),
        w=(4, 5, 3, 3),
    ),
    partly(
        "into_padded_conv_and_conv",
        "R10 c",
        "float[N,3,8,8] x => y, z { d = norm(x, n)  y = Conv<pads=[1,1,1,1]>(d, w)  z = Conv(d, v) }",
        1,
        **CONV,
        v=(2, 3, 1, 1),
    ),
    keeps(
        "concat_of_norm_into_relu",
        "R9",
        "float[N,3,8,8] x, float[N,2,8,8] r => y { d = norm(x, n)  j = Concat<axis=1>(d, r)  y = Relu(j) }",
        n=Norm(3),
    ),
    keeps(
        "sum_of_norm_and_input", "R9", "float[N,3,8,8] x, float[N,3,8,8] r => y { d = norm(x, n)  y = Add(d, r) }", n=Norm(3)
    ),
)

CELL = "float[T,N,3] x => y { i = Mul(x, s)  d = Add(i, a)  "
INPUT: dict[str, Constant] = {"s": Away((3,)), "a": (3,)}
RECURRENT = (
    folds("into_lstm", "R9", CELL + "y = LSTM<hidden_size=4>(d, w, r, b) }", **INPUT, w=(1, 16, 3), r=(1, 16, 4), b=(1, 32)),
    folds("into_lstm_without_bias", "R9", CELL + "y = LSTM<hidden_size=4>(d, w, r) }", **INPUT, w=(1, 16, 3), r=(1, 16, 4)),
    folds(
        "into_lstm_both_ways",
        "R9",
        CELL + 'y = LSTM<hidden_size=4,direction="bidirectional">(d, w, r, b) }',
        **INPUT,
        w=(2, 16, 3),
        r=(2, 16, 4),
        b=(2, 32),
    ),
    folds(
        "into_lstm_last_state",
        "R9",
        CELL + "o, y, h = LSTM<hidden_size=4>(d, w, r, b) }",
        **INPUT,
        w=(1, 16, 3),
        r=(1, 16, 4),
        b=(1, 32),
    ),
    folds("into_gru", "R9", CELL + "y = GRU<hidden_size=4>(d, w, r, b) }", **INPUT, w=(1, 12, 3), r=(1, 12, 4), b=(1, 24)),
    folds(
        "into_gru_linear_before_reset",
        "R9",
        CELL + "y = GRU<hidden_size=4,linear_before_reset=1>(d, w, r) }",
        **INPUT,
        w=(1, 12, 3),
        r=(1, 12, 4),
    ),
    folds("into_rnn", "R9", CELL + "y = RNN<hidden_size=4>(d, w, r, b) }", **INPUT, w=(1, 4, 3), r=(1, 4, 4), b=(1, 8)),
    folds(
        "norm_into_lstm_over_transpose",
        "R9",
        "float[N,3,T] x => y { d = norm(x, n)  t = Transpose<perm=[2,0,1]>(d)  y = LSTM<hidden_size=4>(t, w, r, b) }",
        n=Norm(3),
        w=(1, 16, 3),
        r=(1, 16, 4),
        b=(1, 32),
    ),
    keeps(
        "into_lstm_on_batch",
        "trap 3.1",
        "float[T,3,3] x => y { d = norm(x, n)  y = LSTM<hidden_size=4>(d, w, r) }",
        n=Norm(3),
        w=(1, 16, 3),
        r=(1, 16, 4),
    ),
)

CASES = (*JOINED, *RECURRENT)
