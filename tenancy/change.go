package tenancy

import (
	"fmt"
	"slices"
	"strings"
)

// Without are the tenants without one of them. The tenants themselves stay as they are.
func (t *Tenants) Without(name string) *Tenants {
	changed := *t
	changed.All = slices.DeleteFunc(slices.Clone(t.All), func(one Tenant) bool { return one.Name == name })
	return &changed
}

// Renamed are the tenants with one of them renamed. The tenants themselves stay as they are.
func (t *Tenants) Renamed(name, to string) (*Tenants, error) {
	if reasons := tenantName(to); len(reasons) > 0 {
		return nil, fmt.Errorf("invalid tenant name %q: %s", to, strings.Join(reasons, "; "))
	}
	changed := *t
	changed.All = slices.Clone(t.All)
	for i := range changed.All {
		switch one := &changed.All[i]; one.Name {
		case to:
			return nil, fmt.Errorf("the tenant %q exists already: %s", to, one.Place())
		case name:
			one.Name = to
		}
	}
	return &changed, nil
}
