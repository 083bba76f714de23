package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagsElsewhere are names that llama.cpp, Ollama and huggingface_hub have for what flags do here.
var flagsElsewhere = map[string]string{
	"t":                "threads",
	"c":                "ctx",
	"ctx-size":         "ctx",
	"num-ctx":          "ctx",
	"n-predict":        "predict",
	"num-predict":      "predict",
	"max-tokens":       "predict",
	"max-new-tokens":   "predict",
	"sys":              "system",
	"system-prompt":    "system",
	"cache-type-k":     "kv-type",
	"ctk":              "kv-type",
	"format":           "json-schema",
	"j":                "json-schema",
	"json-schema-file": "json-schema",
	"grammar-file":     "grammar",
	"host":             "addr",
	"port":             "addr",
	"keepalive":        "keep-alive",
	"np":               "parallel",
	"verbose":          "stats",
	"p":                "prompt",
	"n":                "gen",
	"n-prompt":         "prompt",
	"n-gen":            "gen",
	"n-depth":          "depth",
	"repetitions":      "repeat",
	"local-dir":        "name",
	"outfile":          "output",
	"outtype":          "type",
	"quantize":         "type",
	"draft":            "lookup",
	"draft-max":        "lookup",
	"draft-n":          "lookup",
	"spec-draft-n-max": "lookup",
	"spec-type":        "lookup",

	"prompt-lookup-num-tokens": "lookup",
}

// explainFlag adds to an error about a flag that a command has not which one may be meant.
func explainFlag(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return err
	}
	typed := unknown.GetSpecifiedName()
	if typed == "m" || typed == "model" {
		command := cmd.CommandPath()
		if !cmd.HasParent() { // which takes none
			command += " run"
		}
		return fmt.Errorf("%w: a model is an argument, as in %s small.stm", err, command)
	}
	if (typed == "p" || typed == "prompt") && cmd.Name() == "run" {
		return fmt.Errorf("%w: the prompt is the argument after the model", err)
	}
	if (typed == "o" || typed == "output" || typed == "outfile") && cmd.Name() == "quantize" {
		return fmt.Errorf("%w: the output is the argument after the model", err)
	}
	if to := cmd.Flags().Lookup(flagsElsewhere[typed]); to != nil {
		return fmt.Errorf("%w: did you mean --%s?", err, to.Name)
	}
	var near []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if len(typed) > 2 && (strings.HasPrefix(typed, f.Name) || strings.HasPrefix(f.Name, typed)) {
			near = append(near, "--"+f.Name)
		}
	})
	if len(near) == 0 {
		return err
	}
	return fmt.Errorf("%w: did you mean %s?", err, strings.Join(near, " or "))
}
