#!/bin/bash
# The matrix of test-move-matrix.sh with live moves.
export KIND=live
# shellcheck source=tests/integration/test-move-matrix.sh
. "$(dirname "$0")/test-move-matrix.sh"
