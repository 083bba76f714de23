package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"st/runtime/models"
)

func (a *app) removeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "rm NAME...",
		Aliases: []string{"remove", "delete"},
		Short:   "Remove models that are kept by name",
		Long: `Remove models from where they are kept, and what is left of their downloads. There is no question. Files elsewhere are never removed: rm does
that. A model that runs goes on; Windows refuses to remove its file.`,
		Example: `  st rm Tiiny/SmallThinker-4BA0.6B-Instruct
  st rm smallthinker-4ba0.6b-instruct:q8_0 tiny`,
		Args: atLeastOne("NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			store, err := models.Open("")
			if err != nil {
				return err
			}
			var failed error
			for _, name := range args {
				e, err := store.Remove(name)
				switch {
				case err == nil:
				case failed == nil:
					failed = err
					continue
				default:
					failed = fmt.Errorf("%w; %w", failed, err)
					continue
				}
				fmt.Fprintf(a.stdout, "deleted %s\n", e.Name)
			}
			return failed
		},
	}
	return completesNames(cmd, -1)
}

// atLeastOne accepts any number of arguments but none.
func atLeastOne(name string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("argument %s is missing", name)
		}
		return nil
	}
}
