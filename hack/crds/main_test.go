package main

import (
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

const generated = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: policies.pac.weave.works
spec:
  group: pac.weave.works
  names: {kind: Policy, plural: policies}
  scope: Cluster
  versions:
  - name: v2
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        description: Policy is a rule.
        properties:
          how_to_solve: {type: string, description: HowToSolve says how.}
          modes: {type: string, description: "Modes: audit."}
          other: {type: string, description: Something else.}
          any:
            type: object
            additionalProperties: {x-kubernetes-preserve-unknown-fields: true}
`

func finished(t *testing.T) (string, *apiextensionsv1.CustomResourceDefinition) {
	t.Helper()
	content, err := finish([]byte(generated))
	if err != nil {
		t.Fatal(err)
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(content, &crd); err != nil {
		t.Fatal(err)
	}
	return string(content), &crd
}

func TestFinishServesEveryVersionAndStoresV2(t *testing.T) {
	content, crd := finished(t)
	var versions []string
	for _, version := range crd.Spec.Versions {
		name := version.Name
		if version.Storage {
			name += " stored"
		}
		versions = append(versions, name)
	}
	if got, want := strings.Join(versions, ", "), "v2beta1, v2beta2, v2beta3, v2 stored"; got != want {
		t.Errorf("versions are %s, want %s", got, want)
	}
	if strings.Contains(content, "\nstatus:") || !strings.HasPrefix(content, header) {
		t.Errorf("got %s", content)
	}
	if again, _ := finished(t); again != content {
		t.Error("two runs differ")
	}
}

func TestFinishEditsTheSchema(t *testing.T) {
	_, crd := finished(t)
	properties := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties
	for name, want := range map[string]string{
		"how_to_solve": "how_to_solve says how.",
		"modes":        "modes: audit.",
		"other":        "Something else.",
	} {
		if got := properties[name].Description; got != want {
			t.Errorf("%s is described as %q, want %q", name, got, want)
		}
	}
	if !properties["any"].AdditionalProperties.Schema.Nullable {
		t.Error("any JSON cannot be null")
	}
}

func TestFinishRefusesWhatItDoesNotExpect(t *testing.T) {
	for name, content := range map[string]string{
		"another version":    strings.Replace(generated, "name: v2", "name: v3", 1),
		"an unknown field":   generated + "extra: 1\n",
		"no version at all":  strings.Split(generated, "  versions:")[0],
		"something not YAML": "\t",
	} {
		if out, err := finish([]byte(content)); err == nil {
			t.Errorf("%s was accepted:\n%s", name, out)
		}
	}
}
