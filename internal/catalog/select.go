package catalog

import (
	"slices"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
)

// Select returns the sources with those policies only that keep chooses. What configs and exceptions say about the
// others is left out too, as it would otherwise look like a mistake; what they say about policies that do not exist at
// all stays.
func (c *Catalog) Select(keep func(*v2.Policy) bool) engine.Sources {
	selected := engine.Sources{Sets: c.Sources.Sets, Workloads: c.Sources.Workloads}
	dropped := map[string]bool{}
	for _, p := range c.Sources.Policies {
		if keep(p) {
			selected.Policies = append(selected.Policies, p)
		} else {
			dropped[p.Spec.ID] = true
		}
	}
	if len(dropped) == 0 {
		return c.Sources
	}
	for _, config := range c.Sources.Configs {
		if narrow := c.narrowConfig(config, dropped); narrow != nil {
			selected.Configs = append(selected.Configs, narrow)
		}
	}
	for _, exception := range c.Sources.Exceptions {
		if narrow := c.narrowException(exception, dropped); narrow != nil {
			selected.Exceptions = append(selected.Exceptions, narrow)
		}
	}
	return selected
}

func (c *Catalog) narrowConfig(config *v2.PolicyConfig, dropped map[string]bool) *v2.PolicyConfig {
	kept := make(map[string]v2.PolicyConfigConfig, len(config.Spec.Config))
	for id, parameters := range config.Spec.Config {
		if !dropped[id] {
			kept[id] = parameters
		}
	}
	switch {
	case len(kept) == len(config.Spec.Config):
		return config
	case len(kept) == 0:
		return nil
	}
	narrow := *config
	narrow.Spec.Config = kept
	c.narrowed[&narrow] = config
	return &narrow
}

func (c *Catalog) narrowException(exception *v2.PolicyException, dropped map[string]bool) *v2.PolicyException {
	kept := slices.DeleteFunc(slices.Clone(exception.Spec.Policies), func(id string) bool { return dropped[id] })
	switch {
	case len(kept) == len(exception.Spec.Policies):
		return exception
	case len(kept) == 0:
		return nil
	}
	narrow := *exception
	narrow.Spec.Policies = kept
	c.narrowed[&narrow] = exception
	return &narrow
}
