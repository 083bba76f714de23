package ckpttest

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// InfillTokens are the tokens that [AddInfill] adds, as Qwen's vocabularies have them.
var InfillTokens = []string{"<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"}

// AddInfill changes the tokenizer.json of a checkpoint: [InfillTokens] take the place of the last tokens that merges make.
func AddInfill(dir string) error {
	name := filepath.Join(dir, "tokenizer.json")
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var file map[string]any
	if err := json.Unmarshal(data, &file); err != nil {
		return err
	}
	model := file["model"].(map[string]any)
	vocab, merges := model["vocab"].(map[string]any), model["merges"].([]any)
	first := len(vocab) - len(InfillTokens)
	for token, id := range vocab {
		if id.(float64) >= float64(first) {
			delete(vocab, token)
		}
	}
	model["merges"] = merges[:len(merges)-len(InfillTokens)]
	var added []any // by id, as the library numbers them
	for i, token := range InfillTokens {
		added = append(added, map[string]any{"id": first + i, "content": token})
	}
	file["added_tokens"] = append(added, file["added_tokens"].([]any)...)
	if data, err = json.Marshal(file); err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o666)
}
