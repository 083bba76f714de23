// Package testdata embeds the small trained model that st demo runs.
package testdata

import "embed"

// Tiny holds a SmallThinker checkpoint of 5.2 million parameters, in the directory [TinyDir].
//
//go:embed tiny-smallthinker/*.json tiny-smallthinker/*.safetensors
var Tiny embed.FS

// TinyDir is the checkpoint's directory in [Tiny].
const TinyDir = "tiny-smallthinker"
