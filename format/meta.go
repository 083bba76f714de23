package format

// Meta is what a file says of its model besides the weights and where they came from.
type Meta struct {
	Config     Config
	Generation Generation
	// Tokenizer is the tokenizer's binary section; empty if the checkpoint had none.
	Tokenizer []byte
	// ChatTemplate is the Jinja source; empty if the checkpoint had none.
	ChatTemplate string
}

// Generation holds the checkpoint's defaults for generating text. A nil field was not given.
type Generation struct {
	BOS               *int32   `json:"bos_token_id,omitempty"`
	EOS               []int32  `json:"eos_token_ids,omitempty"`
	DoSample          *bool    `json:"do_sample,omitempty"`
	Temperature       *float64 `json:"temperature,omitempty"`
	TopK              *int     `json:"top_k,omitempty"`
	TopP              *float64 `json:"top_p,omitempty"`
	MinP              *float64 `json:"min_p,omitempty"`
	RepetitionPenalty *float64 `json:"repetition_penalty,omitempty"`
}

// Provenance tells how a file came to be.
type Provenance struct {
	// Tool is the program and version that wrote the file.
	Tool string `json:"tool"`
	// Options are the command-line options that shape the result.
	Options map[string]string `json:"options,omitempty"`
	// General is what the source says of itself, under the names that GGUF has: name, organization, license, url, quantized_by. Nil: nothing.
	General map[string]string `json:"general,omitempty"`
	// Sources are the files it was made from.
	Sources []SourceFile `json:"sources"`
	// Notes say what a user should know, such as tensors that could not be stored in the asked type.
	Notes []string `json:"notes,omitempty"`
}

// SourceFile is one file that a model was made from.
type SourceFile struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}
