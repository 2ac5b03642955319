"""Records as bytes: what an older dualion wrote is still read."""

from __future__ import annotations

import json
import zlib

from dualion.records import BarrierError, Check
from dualion.store.packing import pack_record, unpack_record

ERROR = BarrierError(
    residual=0.1 + 0.2,
    energy=1.0 / 3.0,
    fit_difference=1e-17,
    verified=(Check.CONVERGED,),
    unverified=(Check.ONE_NEGATIVE, Check.JOINS_ENDS),
)


def test_the_error_of_a_barrier_keeps_every_bit(make_record):
    record = make_record(error=ERROR, with_images=False)
    assert unpack_record(pack_record(record), None, record_id="r") == record


def test_a_record_from_before_errors_were_kept_has_none(make_record):
    record = make_record(with_images=False)
    body = json.loads(zlib.decompress(pack_record(record)))
    del body["error"]
    old = zlib.compress(json.dumps(body).encode())
    assert unpack_record(old, None, record_id="r") == record
    assert record.error is None
