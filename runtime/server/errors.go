package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"st/runtime"
)

// ErrClosed is the error of requests to a server that ends.
var ErrClosed = errors.New("the server is shutting down")

// ErrNames is wrapped by the error of New about two models of the same name.
var ErrNames = errors.New("two models have the same name")

// Error is an error that a client gets. Each protocol has its own form of it.
type Error struct {
	Status  int    // of HTTP
	Code    string // a short name that programs compare, such as model_not_found; may be empty
	Param   string // the field of the request that is wrong; empty: none is
	Message string
	// RetryAfter is when to try again; 0: it is not known.
	RetryAfter time.Duration

	cause error
}

func (e *Error) Error() string { return e.Message }
func (e *Error) Unwrap() error { return e.cause }

// badField is the error of a request whose field is wrong.
func badField(param, message string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "invalid_value", Param: param, Message: param + ": " + message}
}

// promptTooLong is the error of a prompt that has more tokens than the context. Agents that shorten a conversation then, and go on, know the error by words:
// those of Anthropic's API and of OpenAI's.
func promptTooLong(tokens, context int) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "context_length_exceeded", cause: runtime.ErrContextFull,
		Message: fmt.Sprintf("prompt is too long: %d tokens > %d maximum; this model's maximum context length is %d tokens", tokens, context, context)}
}

// statusClosed is the status of requests whose client went away, in the log: nginx's.
const statusClosed = 499

// kinds tells how errors of package runtime look to a client.
var kinds = []struct {
	is     error
	status int
	code   string
}{
	{runtime.ErrContextFull, http.StatusBadRequest, "context_length_exceeded"},
	{runtime.ErrOption, http.StatusBadRequest, "invalid_value"},
	{runtime.ErrGrammar, http.StatusBadRequest, "invalid_grammar"},
	{runtime.ErrTools, http.StatusBadRequest, "invalid_tools"},
	{runtime.ErrEmptyPrompt, http.StatusBadRequest, "empty_prompt"},
	{runtime.ErrNoTemplate, http.StatusBadRequest, "no_chat_template"},
	{runtime.ErrNoInfill, http.StatusBadRequest, "no_infill"},
	{runtime.ErrNoTokenizer, http.StatusBadRequest, "no_tokenizer"},
	{runtime.ErrTemplateEmpty, http.StatusBadRequest, "chat_template"},
	{runtime.ErrTemplate, http.StatusBadRequest, "chat_template"},
	{runtime.ErrMemory, http.StatusServiceUnavailable, "out_of_memory"},
	{ErrClosed, http.StatusServiceUnavailable, "shutting_down"},
	{context.Canceled, statusClosed, "cancelled"},
	{context.DeadlineExceeded, http.StatusGatewayTimeout, "timeout"},
}

// asError returns err as a client gets it.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	if errors.Is(err, runtime.ErrClosed) {
		err = ErrClosed // a model is closed while it is used only then
	}
	for _, k := range kinds {
		if errors.Is(err, k.is) {
			message := strings.Replace(err.Error(), runtime.ErrContextFull.Error(), "prompt is too long", 1) // see promptTooLong
			return &Error{Status: k.status, Code: k.code, Message: message, cause: err}
		}
	}
	return &Error{Status: http.StatusInternalServerError, Code: "internal_error", Message: err.Error(), cause: err}
}

// failed returns err as a client gets it, and notes it for the log. A model has the name that the client knows it by: errors of the library name its
// file, and clients must not learn paths of the server.
func failed(r *http.Request, err error) *Error {
	e := *asError(err)
	if sv := servedBy(r.Context()); sv != nil {
		e.Message = strings.ReplaceAll(e.Message, sv.Path, sv.Name)
		if errors.Is(err, runtime.ErrGrammar) { // which is the client's, and no fault of the model
			e.Message = strings.TrimPrefix(e.Message, sv.Name+": ")
		}
	}
	if e.Param == "" && errors.Is(err, runtime.ErrGrammar) && !errors.Is(err, runtime.ErrTools) {
		e.Param = formattedBy(r.Context())
	}
	logged(r.Context(), "error", e.Code)
	return &e
}
