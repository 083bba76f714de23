package main

import (
	"fmt"
	"slices"

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
			found, failed := resolveAll(store, args)
			for _, name := range found {
				e, err := store.Remove(name)
				if err != nil {
					failed = alsoFailed(failed, err)
					continue
				}
				fmt.Fprintf(a.stdout, "deleted %s\n", e.Name)
			}
			return failed
		},
	}
	return completesNames(cmd, -1)
}

// resolveAll returns the full names of the models that arguments mean, each once. All are found before the first is removed: what a short name
// means may depend on which others there are.
func resolveAll(store *models.Store, args []string) (found []string, failed error) {
	all, err := store.List()
	if err != nil {
		return nil, err
	}
	names := models.Names(all)
	for _, arg := range args {
		i, err := models.Match(arg, names)
		if err != nil {
			failed = alsoFailed(failed, err)
		} else if name := names[i].String(); !slices.Contains(found, name) {
			found = append(found, name)
		}
	}
	return found, failed
}

// alsoFailed adds an error to those before it.
func alsoFailed(before, err error) error {
	if before == nil {
		return err
	}
	return fmt.Errorf("%w; %w", before, err)
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
