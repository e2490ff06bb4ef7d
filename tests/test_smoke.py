import irstat
from tests.support.models import model


def test_a_convolution_costs_what_it_should():
    # 64 outputs x 56 x 56 positions x 64 inputs x 3 x 3 taps
    report = irstat.analyze(
        model("g (float[1,64,56,56] x, float[64,64,3,3] w) => (float[1,64,56,56] y) { y = Conv<pads=[1,1,1,1]>(x, w) }")
    )
    assert report.totals["macs"] == 115_605_504
