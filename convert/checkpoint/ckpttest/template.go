package ckpttest

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// SetTemplate gives a checkpoint another chat template in tokenizer_config.json; "": none.
func SetTemplate(dir, template string) error {
	path := filepath.Join(dir, "tokenizer_config.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var config map[string]any
	if err := json.Unmarshal(text, &config); err != nil {
		return err
	}
	if config["chat_template"] = template; template == "" {
		delete(config, "chat_template")
	}
	if text, err = json.Marshal(config); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}
