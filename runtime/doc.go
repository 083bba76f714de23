// Package runtime draws tokens: a [Sampler] turns the logits of package engine into the next token.
package runtime
