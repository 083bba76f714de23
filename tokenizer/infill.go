package tokenizer

// InfillTokens are the tokens of a model that was trained to fill a gap in a text (arXiv 2207.14255). It reads Prefix, what stands before the gap, Suffix,
// what stands after it, and Middle; it writes what is between.
type InfillTokens struct {
	Prefix, Suffix, Middle int32
	// Repository stands before the name of a repository, and File before the name and the text of each of its files. −1: there is none.
	Repository, File int32
	// Ends end what fills a gap, besides the tokens that end every text: those above, and what pads or ends an example in the training.
	Ends []int32
}

// infillFamilies are the texts of these tokens. Those of a row are found together.
var infillFamilies = []struct {
	prefix, suffix, middle string
	repository, file       string // of the form that InfillTokens tells; others are among the ends only
	ends                   []string
}{
	{"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|repo_name|>", "<|file_sep|>",
		[]string{"<|fim_pad|>", "<|fim_repo|>", "<|reponame|>", "<|filename|>"}}, // Qwen, Granite 4, Phi-4
	{"<fim_prefix>", "<fim_suffix>", "<fim_middle>", "", "",
		[]string{"<fim_pad>", "<reponame>", "<repo_name>", "<filename>", "<file_sep>"}}, // StarCoder, Granite
	{"<fim-prefix>", "<fim-suffix>", "<fim-middle>", "", "", []string{"<fim-pad>", "<fim-repo>"}}, // SantaCoder
	{"<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>", "", "", nil},                                 // DeepSeek
	{"▁<PRE>", "▁<SUF>", "▁<MID>", "", "", []string{"▁<EOT>"}},                                    // CodeLlama
	{"<PRE>", "<SUF>", "<MID>", "", "", []string{"<EOT>", "<PAD>", "<REPO>"}},                     // the same, written otherwise
	{"<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>", "", "", nil},                        // GLM-4.5
	{"<|prefix|>", "<|suffix|>", "<|middle|>", "", "", nil},                                       // Falcon-H1
}

// Infill returns the tokens with which gaps are filled; nil if the vocabulary has none. That it has them does not say that a model was trained with them:
// models that chat share a vocabulary with those that write code.
func (t *Tokenizer) Infill() *InfillTokens {
	find := func(text string) int32 {
		if id, ok := t.ID(text); ok {
			return id
		}
		return -1
	}
	for _, f := range infillFamilies {
		in := &InfillTokens{find(f.prefix), find(f.suffix), find(f.middle), find(f.repository), find(f.file), nil}
		if in.Prefix < 0 || in.Suffix < 0 || in.Middle < 0 {
			continue
		}
		in.Ends = []int32{in.Prefix, in.Suffix, in.Middle}
		for _, text := range append([]string{f.repository, f.file}, f.ends...) {
			if id := find(text); id >= 0 {
				in.Ends = append(in.Ends, id)
			}
		}
		return in
	}
	return nil
}

// EncodeText returns the tokens of a text that is nothing but text: names of control tokens in it are text, also of those that are not marked as special,
// such as Qwen's <|fim_prefix|>.
func (t *Tokenizer) EncodeText(text string) []int32 {
	guard := t.NewGuard(text)
	plain, breaks := guard.Unmark(guard.Mark(text))
	return t.EncodeOptions(plain, EncodeOptions{Breaks: breaks})
}
