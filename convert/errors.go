package convert

import "errors"

// Sentinel errors. Each is a part of a sentence that tells the file and the tensor or field too.
var (
	// ErrArchitecture is about a model that this program cannot convert.
	ErrArchitecture = errors.New("the architecture is not supported")
	// ErrMissing is about a tensor that the config asks for and the source does not have.
	ErrMissing = errors.New("is missing")
	// ErrNonFinite is about a weight that is NaN or infinite, which Options.AllowNonfinite lets pass.
	ErrNonFinite = errors.New("a weight that is not finite")
	// ErrTooLarge is about a weight that the type it is to be stored in cannot hold.
	ErrTooLarge = errors.New("a weight that its type cannot hold")
	// ErrPrecision is about a tensor that was asked for in a better type than it comes in.
	ErrPrecision = errors.New("would be larger but no better")
	// ErrCalibration is about an encoder that needs statistics which were not given.
	ErrCalibration = errors.New("needs a calibration")
	// ErrIsModel is about a source that is an .stm file already.
	ErrIsModel = errors.New("is an .stm file already")
	// ErrNoConfig is about a source without config.json.
	ErrNoConfig = errors.New("there is no config.json")
)
