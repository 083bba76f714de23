package main

import (
	"github.com/spf13/cobra"

	"st/convert"
)

// completeFlags has a shell complete the values of flags that take one of a few words, of a command and those below it.
func completeFlags(cmd *cobra.Command) {
	types := []string{"q4_0", "q8_0", "f16", "bf16", "f32"}
	words := map[string][]string{
		"type": types, "attn": types, "experts": types, "down": types, "embed": types, "lm-head": types,
		"preset":  convert.PresetNames(),
		"encoder": {"rtn", "search", "gptq"},
		"kv-type": {"f16", "f32", "q8_0"},
		"lookup":  {"auto", "off", "4", "8"},
		"threads": {autoThreads},
	}
	for name, values := range words {
		if f := cmd.Flags().Lookup(name); f != nil && f.Value.Type() != "bool" {
			// The error is about a flag that is not there, or has a function already.
			cobra.CheckErr(cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)))
		}
	}
	for _, c := range cmd.Commands() {
		completeFlags(c)
	}
}
