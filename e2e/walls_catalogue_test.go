package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"sigs.k8s.io/yaml"
)

// attack is a case of the catalogue in ../tenancy/attacks: what a tenant may not do or, without a wall, what it may.
type attack struct {
	ID, Title, Why, Link, Wall, Needs, Operation, Subresource, Manifest, Before string
	// These say which settings of a tenant would allow it; none has them here.
	ControllerIdentity, DefaultAccount bool
}

func (a *attack) honest() bool { return a.Wall == "" }

// attackedTenant is what the manifests of the catalogue are made for.
type attackedTenant struct {
	Name, Namespace, Account, Foreign, Repository, Image, Hostname, Secret string
}

func catalogue(t *testing.T) []attack {
	t.Helper()
	files, err := filepath.Glob("../tenancy/attacks/catalogue/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all []attack
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var some []attack
		if err := yaml.UnmarshalStrict(content, &some); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, some...)
	}
	if len(all) < 90 {
		t.Fatalf("the catalogue has %d cases", len(all))
	}
	return all
}
