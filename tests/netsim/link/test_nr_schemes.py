"""NR schemes and the simulation of their block error rates."""

import numpy as np
import pytest

from netsim.link.nr.schemes import ALL_SCHEMES, TABLES


def test_largest_efficiencies_of_the_three_tables():
    largest = [max(scheme.spectral_efficiency for scheme in TABLES[index]) for index in (1, 2, 3)]

    # 948/1024 x 6, 948/1024 x 8 and 772/1024 x 6: the last rows of TS 38.214.
    assert largest == pytest.approx([5.5547, 7.4063, 4.5234], abs=6e-5)
    assert [len(TABLES[index]) for index in (1, 2, 3)] == [29, 28, 29]
    assert len(ALL_SCHEMES) == 43


@pytest.mark.parametrize("index", [1, 2, 3])
def test_tables_equal_those_of_sionna(index):
    utils = pytest.importorskip("sionna.phy.nr.utils")

    for row, scheme in enumerate(TABLES[index]):
        order, rate = utils.decode_mcs_index(row, table_index=index, is_pusch=False)

        assert int(order) == scheme.modulation_order
        assert float(rate) == scheme.code_rate


@pytest.mark.parametrize(
    ("row", "bits", "sinr_db"), [(10, 336, 3.6), pytest.param(1, 160, -5.6, marks=pytest.mark.slow)]
)
def test_dense_decoder_decides_as_that_of_sionna(row, bits, sinr_db):
    ldpc = pytest.importorskip("sionna.phy.fec.ldpc")
    from benchmarks.nr_bler.chain import Chain, CodeBlock, random_generator

    chain = Chain(CodeBlock.near(TABLES[1][row], bits))
    plain = Chain(chain.block)
    plain._decoder = ldpc.LDPC5GDecoder(plain._encoder, num_iter=20)
    errors, reference = (
        each.block_errors(sinr_db, 256, random_generator(chain.block, 0, 0, 1))
        for each in (chain, plain)
    )

    assert 10 < errors.sum() < 200
    assert np.array_equal(errors, reference)


def test_interrupted_curve_continues_to_the_same_points(monkeypatch):
    pytest.importorskip("sionna.phy")
    from benchmarks.nr_bler import simulate

    monkeypatch.setattr(simulate, "_ERRORS", {False: 20, True: 20})
    block = next(iter(simulate.curves([24])))
    whole = list(simulate.simulate_curve(block, [], 1))
    rest = list(simulate.simulate_curve(block, whole[:2], 1))

    assert len(whole) >= 4
    assert rest == whole[2:]
