package main

import (
	"errors"

	"st/cmd/internal/report"
	"st/convert"
	"st/convert/calibration"
	"st/format"
)

// advice says what to do about errors of the libraries, which know nothing of the command line.
var advice = []struct {
	is   error
	text string
}{
	{format.ErrExists, "use --force to replace it"},
	{format.ErrNotModel, "make one with st convert"},
	{format.ErrIsDirectory, "name an .stm file (st convert makes one from a checkpoint directory)"},
	{format.ErrUsage, "--record-experts replaces it"},
	{format.ErrCannotRecord, "leave out --record-experts"},
	{format.ErrCannotMap, "--memory reads the file instead"},
	{convert.ErrIsModel, "st quantize makes a smaller one of it"},
	{convert.ErrNonFinite, "--allow-nonfinite converts it all the same"},
	{convert.ErrCalibration, "st calibrate --covariance makes one"},
	{calibration.ErrMissing, "st calibrate collects it, covariances with --covariance"},
	{calibration.ErrNotStatistics, "st calibrate makes one"},
	{report.ErrNoUsage, "give a --trace, which st generate --trace FILE writes, or run st generate with --record-experts first"},
}

// advise returns an error's message with what to do about it.
func advise(err error) string {
	for _, a := range advice {
		if errors.Is(err, a.is) {
			return err.Error() + ": " + a.text
		}
	}
	return err.Error()
}
