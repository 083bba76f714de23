package main

import "github.com/spf13/cobra"

func (a *app) runCommand() *cobra.Command {
	f := generateFlags{chat: true}
	cmd := &cobra.Command{
		Use:   "run model.stm [PROMPT]",
		Short: "Chat with a model",
		Long:  help("run"),
		Example: `  st run small.stm
  st run small.stm "Why is the sky blue?"
  git log -5 | st run small.stm --system "Sum this up."`,
		Args: arguments("MODEL", "[PROMPT]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			given := len(args) == 2
			if err := f.check(cmd.Flags(), given, a.inTerminal, a.outTerminal); err != nil {
				return err
			}
			if given {
				f.prompt = args[1]
			} else {
				f.file = "-"
			}
			return a.generate(cmd.Context(), args[0], a.inTerminal && !given, &f)
		},
	}
	f.add(cmd.Flags())
	return completesModels(cmd, 1)
}
