package server

import (
	"fmt"
	"net/http"
	"unicode/utf8"

	"st/runtime"
	"st/tokenizer"
)

// What clients of llama.cpp's server ask of a model besides texts: tokens of a text, the text of tokens, and the prompt that a chat template writes.

// maxText bounds the text of /tokenize, in bytes. To cut a text into tokens takes some sixty times as much memory.
const maxText = 1 << 20

// tokenizeRequest is the body of /tokenize.
type tokenizeRequest struct {
	Model        string  `json:"model"`
	Content      *string `json:"content"`
	AddSpecial   bool    `json:"add_special"`   // the token with which texts begin
	ParseSpecial *bool   `json:"parse_special"` // texts of special tokens are those tokens; as if true
	WithPieces   bool    `json:"with_pieces"`
}

// tokenPiece is a token with what it adds to a text: a string, or bytes that are no whole characters.
type tokenPiece struct {
	ID    int32 `json:"id"`
	Piece any   `json:"piece"`
}

func newTokenPiece(m *runtime.Model, id int32) tokenPiece {
	text := m.Tokenizer().Text(id)
	if utf8.ValidString(text) {
		return tokenPiece{id, text}
	}
	return tokenPiece{id, byteValues(text)}
}

// encode returns the tokens of the content.
func (q *tokenizeRequest) encode(m *runtime.Model) ([]int32, error) {
	special := q.ParseSpecial == nil || *q.ParseSpecial
	switch t := m.Tokenizer(); {
	case t == nil:
		return nil, runtime.ErrNoTokenizer
	case !q.AddSpecial:
		return t.EncodeOptions(*q.Content, tokenizer.EncodeOptions{ParseSpecial: special}), nil
	case special:
		return m.Encode(*q.Content)
	}
	return m.EncodePlain(*q.Content)
}

// llamaTokenize answers /tokenize.
func (s *Server) llamaTokenize(w http.ResponseWriter, r *http.Request, body []byte) error {
	var q tokenizeRequest
	if err := decode(body, &q, ""); err != nil {
		return err
	}
	switch {
	case q.Content == nil:
		return badField("content", "it is missing")
	case len(*q.Content) > maxText:
		return errTooLarge(fmt.Sprintf("a content of %d bytes, and it may have %d", len(*q.Content), maxText))
	}
	var answer any
	err := s.lend(r, q.Model, func(m *runtime.Model) error {
		tokens, err := q.encode(m)
		switch {
		case err != nil:
			return err
		case q.WithPieces:
			pieces := make([]tokenPiece, len(tokens))
			for i, id := range tokens {
				pieces[i] = newTokenPiece(m, id)
			}
			answer = pieces
		default:
			answer = append([]int32{}, tokens...) // no null
		}
		return nil
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct {
		Tokens any `json:"tokens"`
	}{answer})
	return nil
}

// llamaDetokenize answers /detokenize.
func (s *Server) llamaDetokenize(w http.ResponseWriter, r *http.Request, body []byte) error {
	var q struct {
		Model  string   `json:"model"`
		Tokens tokenIDs `json:"tokens"`
	}
	if err := decode(body, &q, ""); err != nil {
		return err
	}
	if q.Tokens == nil {
		return badField("tokens", "it is missing")
	}
	var answer struct {
		Content string `json:"content"`
	}
	err := s.lend(r, q.Model, func(m *runtime.Model) (err error) {
		if m.Tokenizer() == nil {
			return runtime.ErrNoTokenizer
		}
		if _, answer.Content, err = (prompt{tokens: q.Tokens}).encode(m); err != nil {
			return withField(err, func(string) string { return "tokens" })
		}
		return nil
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// llamaApplyTemplate answers /apply-template: what a chat of /v1/chat/completions with the same fields has the model read.
func (s *Server) llamaApplyTemplate(w http.ResponseWriter, r *http.Request, body []byte) error {
	var q chatRequest
	messages, prefill, options, err := q.read(body)
	if err != nil {
		return err
	}
	var answer struct {
		Prompt string `json:"prompt"`
	}
	err = s.lend(r, q.Model, func(m *runtime.Model) error {
		p, err := chatPrompt(r.Context(), m, messages, prefill, options...)
		if err == nil {
			answer.Prompt = p.Text
		}
		return err
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}
