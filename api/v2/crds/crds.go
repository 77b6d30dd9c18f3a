// Package crds holds the CustomResourceDefinitions of group pac.weave.works, generated from the Go types in api/v2.
package crds

import (
	"embed"
	"fmt"
	"io/fs"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	v2 "github.com/assay-gitops/assay/api/v2"
)

//go:embed *.yaml
var files embed.FS

// FS holds one YAML file per CRD, named as controller-gen names them: pac.weave.works_policies.yaml.
func FS() fs.FS { return files }

// Kinds that have a CRD.
func Kinds() []string {
	return []string{v2.PolicyKind, v2.PolicyConfigKind, v2.PolicyExceptionKind, v2.PolicySetKind}
}

// Get returns the CRD of a kind of the group. The caller owns it.
func Get(kind string) (*apiextensionsv1.CustomResourceDefinition, error) {
	file, ok := map[string]string{
		v2.PolicyKind:          "pac.weave.works_policies.yaml",
		v2.PolicyConfigKind:    "pac.weave.works_policyconfigs.yaml",
		v2.PolicyExceptionKind: "pac.weave.works_policyexceptions.yaml",
		v2.PolicySetKind:       "pac.weave.works_policysets.yaml",
	}[kind]
	if !ok {
		return nil, fmt.Errorf("group %s has no kind %q", v2.Group, kind)
	}
	content, err := files.ReadFile(file)
	if err != nil {
		return nil, err
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(content, crd); err != nil {
		return nil, fmt.Errorf("embedded CRD %s: %w", file, err)
	}
	return crd, nil
}
