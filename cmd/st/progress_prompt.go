package main

// promptProgress shows how far a long prompt is run.
type promptProgress struct {
	app *app
	bar *progress
}

// longPrompt is the number of tokens from which on a prompt takes long.
const longPrompt = 512

func (a *app) newPromptProgress() *promptProgress { return &promptProgress{app: a} }

func (p *promptProgress) update(done, total int) {
	switch {
	case total <= longPrompt:
	case done == total:
		p.finish()
	case p.bar == nil:
		p.bar = p.app.newProgress("prompt", "tokens")
		fallthrough
	default:
		p.bar.update(int64(done), int64(total))
	}
}

func (p *promptProgress) finish() {
	p.bar.finish()
	p.bar = nil
}
