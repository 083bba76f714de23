package server

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"st/runtime"
)

// infillRequest is the body of /infill. What was typed of the line is the prompt, which follows the prefix.
type infillRequest struct {
	llamaCompletionRequest
	Prefix *string `json:"input_prefix"`
	Suffix *string `json:"input_suffix"`
	Extra  []struct {
		Name string  `json:"filename"`
		Text *string `json:"text"`
	} `json:"input_extra"`
}

// infill returns the text with a gap. What a request does not name has the names that llama.cpp's server writes.
func (q *infillRequest) infill() (*runtime.Infill, error) {
	in := &runtime.Infill{Repository: "myproject", File: "filename"}
	switch {
	case q.Prefix == nil:
		return nil, badField("input_prefix", "it is missing")
	case q.Suffix == nil:
		return nil, badField("input_suffix", "it is missing")
	case len(*q.Prompt) != 1 || (*q.Prompt)[0].tokens != nil:
		return nil, badField("prompt", "it must be a string")
	}
	in.Prefix, in.Suffix = *q.Prefix+(*q.Prompt)[0].text, *q.Suffix
	for i, e := range q.Extra {
		if e.Text == nil {
			return nil, badField(fmt.Sprintf("input_extra[%d].text", i), "it is missing")
		}
		in.Files = append(in.Files, runtime.InfillFile{Name: cmp.Or(e.Name, "tmp"), Text: *e.Text})
	}
	return in, nil
}

// llamaInfill answers /infill: what comes between two texts, in an answer as of /completion.
func (s *Server) llamaInfill(w http.ResponseWriter, r *http.Request, body []byte) error {
	q := infillRequest{llamaCompletionRequest: llamaCompletionRequest{Prompt: &prompts{{}}}}
	if err := decode(body, &q, ""); err != nil {
		return err
	}
	in, err := q.infill()
	if err != nil {
		return err
	}
	q.Prompt = &prompts{{infill: in}}
	return s.llamaComplete(w, r, &q.llamaCompletionRequest)
}

// pickFields returns those fields of an answer that paths such as timings/prompt_ms name, each under its path, as llama.cpp's server does; all of them if
// there are no paths.
func pickFields(answer any, paths []string) any {
	if len(paths) == 0 {
		return answer
	}
	var all any
	data, err := json.Marshal(answer)
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber() // a seed may have more digits than a float
		err = d.Decode(&all)
	}
	if err != nil { // the caller will meet it, too
		return answer
	}
	picked := map[string]any{}
	for _, path := range paths {
		v, ok := all, true
		for key := range strings.SplitSeq(path, "/") {
			object, _ := v.(map[string]any)
			if v, ok = object[key]; !ok {
				break
			}
		}
		if ok {
			picked[path] = v
		}
	}
	return picked
}
