package attacks

import (
	"bytes"
	"embed"
	"fmt"
	"path"
	"text/template"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/assay-gitops/assay/policy"
)

// RBAC is the Wall of what Kubernetes' own authorization refuses: the tenant's roles end at its namespaces.
const RBAC = "rbac of kubernetes"

// Case is one manifest of the catalogue.
type Case struct {
	// ID is stable.
	ID string `json:"id"`
	// Title says what is tried.
	Title string `json:"title"`
	// Why says what an attacker gains, and Link where that is explained. Honest cases have none.
	Why  string `json:"why,omitempty"`
	Link string `json:"link,omitempty"`
	// Wall refuses it: a generated policy's id without weave.policies.tenancy.<tenant>-, or RBAC. Empty for honest cases.
	Wall string `json:"wall,omitempty"`
	// Needs is the field of the tenants file without which the wall does not stand; may be empty.
	Needs string `json:"needs,omitempty"`
	// ControllerIdentity says that allowControllerIdentity allows it, DefaultAccount that a service account which Flux uses
	// by default does.
	ControllerIdentity bool `json:"controllerIdentity,omitempty"`
	DefaultAccount     bool `json:"defaultAccount,omitempty"`
	// Operation is CREATE unless it says otherwise.
	Operation policy.Operation `json:"operation,omitempty"`
	// Subresource that is written, such as status; may be empty.
	Subresource string `json:"subresource,omitempty"`
	// Manifest is the template of the object, Before that of the object as the platform or the tenant had it, for updates
	// and deletes. See Tenant for what they may use.
	Manifest string `json:"manifest,omitempty"`
	Before   string `json:"before,omitempty"`
}

// Honest tells whether the case is nothing bad, and must pass.
func (c *Case) Honest() bool { return c.Wall == "" }

// Tenant is what the manifests are made for.
type Tenant struct {
	// Name of the tenant, its Namespace and the Account that its deployments run as.
	Name, Namespace, Account string
	// Foreign is a namespace of somebody else.
	Foreign string
	// Repository is the url of a Git repository that the tenant may use, Image and Hostname what it may run and answer to.
	Repository, Image, Hostname string
	// Secret is a kubeconfig Secret of the tenant that belongs to the platform; may be empty.
	Secret string
}

// Objects are the object that is written, nil for a delete, and the object before it, nil for a create.
func (c *Case) Objects(tenant Tenant) (object, before *unstructured.Unstructured, err error) {
	if c.Manifest != "" {
		if object, err = fill(c.ID, c.Manifest, tenant); err != nil {
			return nil, nil, fmt.Errorf("make the manifest of %s: %w", c.ID, err)
		}
	}
	if c.Before != "" {
		if before, err = fill(c.ID, c.Before, tenant); err != nil {
			return nil, nil, fmt.Errorf("make the manifest before %s: %w", c.ID, err)
		}
	}
	return object, before, nil
}

func fill(name, text string, tenant Tenant) (*unstructured.Unstructured, error) {
	parsed, err := template.New(name).Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, tenant); err != nil {
		return nil, err
	}
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(out.Bytes(), &o.Object); err != nil {
		return nil, err
	}
	return o, nil
}

//go:embed catalogue/*.yaml
var files embed.FS

// Catalogue is all cases, in a stable order: the attacks by wall, then the honest ones.
func Catalogue() ([]Case, error) {
	entries, err := files.ReadDir("catalogue")
	if err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	var all []Case
	for _, entry := range entries {
		content, err := files.ReadFile(path.Join("catalogue", entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("read the catalogue: %w", err)
		}
		var cases []Case
		if err := yaml.UnmarshalStrict(content, &cases); err != nil {
			return nil, fmt.Errorf("read %s of the catalogue: %w", entry.Name(), err)
		}
		for i := range cases {
			if cases[i].Operation == "" {
				cases[i].Operation = policy.Create
			}
		}
		all = append(all, cases...)
	}
	return all, nil
}
