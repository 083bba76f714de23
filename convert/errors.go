package convert

import "errors"

// Sentinel errors. Each is a part of a sentence that tells the file and the tensor or field too.
var (
	// ErrArchitecture is about a model that this program cannot convert.
	ErrArchitecture = errors.New("the architecture is not supported")
	// ErrMissing is about a tensor that the config asks for and the source does not have.
	ErrMissing = errors.New("is missing")
	// ErrUnknownTensor is about a tensor that the source has and the config knows nothing of.
	ErrUnknownTensor = errors.New("is unknown")
	// ErrShape is about a tensor that the source has in another shape.
	ErrShape = errors.New("not that of its place")
	// ErrQuantized is about weights that have been quantized in a way that is not read.
	ErrQuantized = errors.New("the weights are quantized already")
	// ErrAdapter is about a LoRA adapter, which is not a model by itself.
	ErrAdapter = errors.New("a LoRA adapter, not a model")
	// ErrScale is about FP8 weights whose scales do not fit them, or are not there.
	ErrScale = errors.New("the scales of the FP8 weights")
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
	// ErrExport is about a model that a GGUF file cannot hold, or that llama.cpp would not compute as it is.
	ErrExport = errors.New("not possible in a GGUF file for llama.cpp")
	// ErrNoConfig is about a source without config.json.
	ErrNoConfig = errors.New("there is no config.json")
	// ErrSeveral is about a directory of several checkpoints.
	ErrSeveral = errors.New("holds several checkpoints")
)

// errLink is about a link that leads nowhere.
var errLink = errors.New("a link to nothing")

// errNotRegular is about a pipe or a device.
var errNotRegular = errors.New("it is not a regular file")

// errNoTokenizer is about a model without one.
var errNoTokenizer = errors.New("the model has no tokenizer")
