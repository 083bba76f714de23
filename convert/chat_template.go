package convert

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"st/tokenizer"
)

// chatTemplate returns the chat template of the checkpoint, "" if there is none. A checkpoint may hold several, in several
// places. As in Transformers, chat_template.jinja comes first, then chat_template.json, then tokenizer_config.json; what
// lies in additional_chat_templates is used if none of these has a template.
func (s *source) chatTemplate() (text string, notes []string, err error) {
	var all []tokenizer.NamedTemplate
	if s.template != nil {
		all = []tokenizer.NamedTemplate{{Name: "default", Template: string(s.template)}}
	}
	for _, f := range []struct {
		name string
		data []byte
	}{{"chat_template.json", s.templateJSON}, {"tokenizer_config.json", s.tokens.TokenizerConfig}} {
		if len(all) > 0 || f.data == nil {
			continue
		}
		if all, err = tokenizer.ChatTemplates(f.data); errors.Is(err, tokenizer.ErrChatTemplate) {
			notes = append(notes, fmt.Sprintf("%s: %v", f.name, err))
		} else if err != nil {
			return "", nil, fmt.Errorf("%s: %w", filepath.Join(s.dir, f.name), err)
		}
	}
	if len(all) == 0 {
		all = s.additionalTemplates
	}
	t := tokenizer.ChooseTemplate(all, false)
	if t.Template == "" {
		return "", notes, nil
	}
	if t.Name != "default" {
		notes = append(notes, fmt.Sprintf("no chat template is named default: %q is used", t.Name))
	}
	if _, err := tokenizer.ParseTemplate(t.Template); err != nil {
		notes = append(notes, fmt.Sprintf("the chat template cannot be used: %v", err))
	}
	return t.Template, notes, nil
}

// readAdditionalTemplates reads additional_chat_templates/NAME.jinja.
func (s *source) readAdditionalTemplates() error {
	dir := filepath.Join(s.dir, "additional_chat_templates")
	entries, err := s.place.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", dir, cause(err))
	}
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), ".jinja")
		if !ok {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		text, err := readSmall(s.place, path)
		if err != nil {
			return readError(path, err)
		}
		s.additionalTemplates = append(s.additionalTemplates, tokenizer.NamedTemplate{Name: name, Template: string(text)})
		s.small = append(s.small, path)
	}
	return nil
}
