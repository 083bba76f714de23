package main

import "github.com/spf13/cobra"

func (a *app) runCommand() *cobra.Command {
	f := generateFlags{chat: true}
	cmd := &cobra.Command{
		Use:        "run [MODEL [PROMPT]]",
		Short:      "Chat with a model",
		SuggestFor: []string{"chat", "ask"},
		Long:       help("run"),
		Example: `  st run Tiiny/SmallThinker-4BA0.6B-Instruct
  st run small.stm
  st run small
  st run small.stm "Why is the sky blue?"
  git log -5 | st run small.stm --system "Sum this up."`,
		Args: arguments("[MODEL]", "[PROMPT]"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			given := len(args) == 2
			if err := f.check(cmd.Flags(), given, a.inTerminal, a.outTerminal); err != nil {
				return err
			}
			if given {
				f.prompt = args[1]
				if err := checkArgument("PROMPT", f.prompt); err != nil {
					return err
				}
			} else {
				f.file = "-"
			}
			model := ""
			if len(args) > 0 {
				model = args[0]
			} else if model, err = a.onlyModel(cmd.Context()); err != nil {
				return err
			}
			if model, err = a.locateOrFetch(cmd.Context(), model); err != nil {
				return err
			}
			return a.generate(cmd.Context(), model, a.inTerminal && !given, &f)
		},
	}
	f.add(cmd.Flags())
	cmd.Flags().StringVar(&f.session, "session", "", "go on with the conversation of this `name`, and keep it")
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("session", completeSessions))
	return completesModels(cmd, 1)
}
