package engine

import (
	"fmt"

	"st/format"
)

// Config returns the architecture that runs: the model's, with as many experts for a token as the options say.
func (o *Options) Config(c *format.Config) *format.Config {
	if o.ExpertsPerToken == 0 || c.MoE == nil {
		return c
	}
	own, m := *c, *c.MoE
	m.ExpertsPerToken = o.ExpertsPerToken
	own.MoE = &m
	return &own
}

// CheckExperts returns an error that wraps [ErrExpertsPerToken] or [ErrNoExperts] if the options ask for what the model in r does not have.
func (o *Options) CheckExperts(r *format.Reader) error {
	m := r.Config.MoE
	switch {
	case o.ExpertsPerToken == 0 && o.PreferCached == 0:
		return nil
	case m == nil:
		return fmt.Errorf("%s: %w", r.Path(), ErrNoExperts)
	case o.ExpertsPerToken < 0 || o.ExpertsPerToken > m.Experts:
		return fmt.Errorf("%s: %w: %d are asked for, and a layer has %d: give 1 to %d", r.Path(), ErrExpertsPerToken, o.ExpertsPerToken, m.Experts, m.Experts)
	case !(o.PreferCached >= 0 && o.PreferCached <= maxPreferCached):
		return fmt.Errorf("%s: the preference for experts in memory is %g: it must be 0 to %g", r.Path(), o.PreferCached, maxPreferCached)
	}
	return nil
}
