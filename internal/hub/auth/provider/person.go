package provider

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxName bounds a name of a user or a group, maxGroups how many groups somebody may be in.
	maxName   = 512
	maxGroups = 1000
	// reserved begins the names that Kubernetes gives itself.
	reserved = "system:"
)

// Person is who signed in, as the API server would call them.
type Person struct {
	Name   string
	Groups []string
	// LeftOut is how many groups are left out, since their names are Kubernetes' own.
	LeftOut int
}

// person reads claims as the API server does, and keeps names from being Kubernetes' own: a provider does not make anybody system:masters.
func (p *Provider) person(claims map[string]any) (Person, error) {
	claim := p.o.UsernameClaim
	name, ok := claims[claim].(string)
	if !ok || name == "" {
		return Person{}, fmt.Errorf("the ID token has no claim %s that is a text: is a scope missing, or the name of the claim another?", claim)
	}
	if verified, has := claims["email_verified"]; claim == "email" && has && verified != true {
		return Person{}, errors.New("the provider has not verified the e-mail address")
	}
	who := Person{Name: p.prefix + name}
	if err := checkName(who.Name); err != nil {
		return Person{}, fmt.Errorf("the claim %s: %w", claim, err)
	}
	if strings.HasPrefix(who.Name, reserved) {
		return Person{}, fmt.Errorf("the claim %s: with the prefix it is a name that begins with %s, which is for Kubernetes itself", claim, reserved)
	}
	if p.o.GroupsClaim == "" {
		return who, nil
	}
	var groups []any
	switch value := claims[p.o.GroupsClaim].(type) {
	case nil:
	case string:
		groups = []any{value}
	case []any:
		groups = value
	default:
		return Person{}, fmt.Errorf("the claim %s is not a list of texts", p.o.GroupsClaim)
	}
	if elsewhere, ok := claims["_claim_names"].(map[string]any); ok && groups == nil && elsewhere[p.o.GroupsClaim] != nil {
		return Person{}, fmt.Errorf("there are too many groups for the provider to tell them in the ID token (claim %s): have it tell those only that are assigned to the hub", p.o.GroupsClaim)
	}
	if len(groups) > maxGroups {
		return Person{}, fmt.Errorf("the claim %s has %d groups, more than %d", p.o.GroupsClaim, len(groups), maxGroups)
	}
	for _, value := range groups {
		group, ok := value.(string)
		if !ok {
			return Person{}, fmt.Errorf("the claim %s is not a list of texts", p.o.GroupsClaim)
		}
		if group = p.o.GroupsPrefix + group; strings.HasPrefix(group, reserved) {
			who.LeftOut++
			continue
		}
		if err := checkName(group); err != nil {
			return Person{}, fmt.Errorf("the claim %s: %w", p.o.GroupsClaim, err)
		}
		who.Groups = append(who.Groups, group)
	}
	return who, nil
}

func checkName(name string) error {
	switch {
	case name == "" || len(name) > maxName:
		return fmt.Errorf("a name is empty or has more than %d bytes", maxName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("a name has characters that cannot be shown")
	}
	return nil
}
