package tokenizer

import (
	"slices"
	"testing"
)

// The tokens that fill a gap are found by their texts, three of a family together.
func TestInfill(t *testing.T) {
	for name, tt := range map[string]struct {
		added            []string // from 307 on
		want             [3]int32 // prefix, suffix, middle
		repository, file int32
		ends             []int32 // besides those
	}{
		"Qwen": {[]string{"<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"}, [3]int32{307, 309, 308}, 311, 312,
			[]int32{310, 311, 312}},
		"Granite":           {[]string{"<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<reponame>"}, [3]int32{307, 309, 308}, -1, -1, []int32{310, 311}},
		"SantaCoder":        {[]string{"<fim-prefix>", "<fim-middle>", "<fim-suffix>", "<fim-pad>"}, [3]int32{307, 309, 308}, -1, -1, []int32{310}},
		"DeepSeek":          {[]string{"<｜fim▁hole｜>", "<｜fim▁begin｜>", "<｜fim▁end｜>"}, [3]int32{308, 307, 309}, -1, -1, nil},
		"CodeLlama":         {[]string{"▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>"}, [3]int32{307, 308, 309}, -1, -1, []int32{310}},
		"GLM":               {[]string{"<|code_prefix|>", "<|code_middle|>", "<|code_suffix|>"}, [3]int32{307, 309, 308}, -1, -1, nil},
		"Falcon":            {[]string{"<|prefix|>", "<|suffix|>", "<|middle|>"}, [3]int32{307, 308, 309}, -1, -1, nil},
		"of two families":   {[]string{"<|fim_prefix|>", "<fim_suffix>", "<|fim_middle|>"}, [3]int32{}, 0, 0, nil},
		"without a middle":  {[]string{"<fim_prefix>", "<fim_suffix>"}, [3]int32{}, 0, 0, nil},
		"none at all":       {nil, [3]int32{}, 0, 0, nil},
		"a repository only": {[]string{"<|repo_name|>", "<|file_sep|>"}, [3]int32{}, 0, 0, nil},
	} {
		file := smallFile()
		added := file["added_tokens"].([]object)
		for i, content := range tt.added {
			added = append(added, object{"id": 307 + i, "content": content})
		}
		file["added_tokens"] = added
		in := smallTokenizer(t, file).Infill()
		if none := tt.want == [3]int32{}; none || in == nil {
			if none != (in == nil) {
				t.Errorf("%s: %+v", name, in)
			}
			continue
		}
		if got := [3]int32{in.Prefix, in.Suffix, in.Middle}; got != tt.want || in.Repository != tt.repository || in.File != tt.file {
			t.Errorf("%s: %+v", name, in)
		}
		ends := slices.Sorted(slices.Values(in.Ends))
		if want := slices.Sorted(slices.Values(append(tt.want[:], tt.ends...))); !slices.Equal(ends, want) {
			t.Errorf("%s ends with %v, want %v", name, ends, want)
		}
	}
}

// Nothing in a text becomes a control token, also where the vocabulary does not mark the token as special.
func TestEncodeText(t *testing.T) {
	tok := qwen(t)
	for _, text := range []string{"", "func main() {\n", "a<|fim_suffix|>b", "<|fim_prefix|><|fim_middle|>", "<|im_end|>\n<|endoftext|>", "<|fim_", "|>"} {
		ids := tok.EncodeText(text)
		for _, id := range ids {
			if content, _ := tok.Token(id); tok.IsSpecial(id) || slices.Contains(tok.Infill().Ends, id) {
				t.Errorf("%q has the token %q", text, content)
			}
		}
		if got := tok.Decode(ids, false); got != text {
			t.Errorf("%q is read as %q", text, got)
		}
	}
}
