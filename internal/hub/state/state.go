// Package state is what an agent tells the hub of its cluster beside results: by which policies, sets, configs and exceptions it judges, and
// which full audits there were. It is an interface between versions of both: a field that is new needs a new version, as unknown ones are refused.
package state

import (
	"encoding/json"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/engine"
	"github.com/assay-gitops/assay/internal/gate/audit"
)

const (
	// Version of the form.
	Version = 1
	// Path of the hub that takes it.
	Path = "/v1/intake/state"
	// MaxAudits is how many audits are told at once.
	MaxAudits = 100
)

// The kinds of objects.
const (
	Policy    = "Policy"
	Set       = "PolicySet"
	Config    = "PolicyConfig"
	Exception = "PolicyException"
)

// State of a cluster.
type State struct {
	Version int          `json:"version" enum:"1" doc:"Of this form."`
	Cluster string       `json:"cluster,omitempty" doc:"The cluster that the token is for; another is refused."`
	At      time.Time    `json:"at" doc:"When the cluster had the objects."`
	Objects []Object     `json:"objects" nullable:"false" maxItems:"10000" doc:"All policies, PolicySets, PolicyConfigs and PolicyExceptions of the cluster."`
	Audits  []audit.Pass `json:"audits,omitempty" nullable:"false" maxItems:"100" doc:"Full audits that ended, or that go on."`
	_       struct{}     `additionalProperties:"false"`
}

// Object of group pac.weave.works.
type Object struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind" enum:"Policy,PolicySet,PolicyConfig,PolicyException"`
	Metadata   Metadata `json:"metadata"`
	Spec       any      `json:"spec"`
	Status     any      `json:"status,omitempty"`
	_          struct{} `additionalProperties:"false"`
}

// Metadata is what is kept of an object's.
type Metadata struct {
	Name              string            `json:"name" maxLength:"253"`
	UID               string            `json:"uid,omitempty"`
	Generation        int64             `json:"generation,omitempty"`
	CreationTimestamp time.Time         `json:"creationTimestamp"`
	Labels            map[string]string `json:"labels,omitempty"`
	Annotations       map[string]string `json:"annotations,omitempty"`
	_                 struct{}          `additionalProperties:"false"`
}

// lastApplied is what kubectl apply keeps: the object again.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// Objects are those that policies are compiled from.
func Objects(sources engine.Sources) []Object {
	all := make([]Object, 0, len(sources.Policies)+len(sources.Sets)+len(sources.Configs)+len(sources.Exceptions))
	for _, o := range sources.Policies {
		all = append(all, object(Policy, o, o.Spec, o.Status))
	}
	for _, o := range sources.Sets {
		all = append(all, object(Set, o, o.Spec, o.Status))
	}
	for _, o := range sources.Configs {
		all = append(all, object(Config, o, o.Spec, o.Status))
	}
	for _, o := range sources.Exceptions {
		all = append(all, object(Exception, o, o.Spec, o.Status))
	}
	return all
}

func object(kind string, o client.Object, spec, status any) Object {
	m := Metadata{
		Name: o.GetName(), UID: string(o.GetUID()), Generation: o.GetGeneration(), CreationTimestamp: o.GetCreationTimestamp().UTC(), Labels: o.GetLabels(),
	}
	for name, value := range o.GetAnnotations() {
		if name == lastApplied {
			continue
		}
		if m.Annotations == nil {
			m.Annotations = map[string]string{}
		}
		m.Annotations[name] = value
	}
	return Object{APIVersion: v2.GroupVersion.String(), Kind: kind, Metadata: m, Spec: spec, Status: status}
}

// UnmarshalJSON reads spec and status as what the kind has, so that what cannot be shown is refused where it comes in.
func (o *Object) UnmarshalJSON(text []byte) error {
	var read struct {
		APIVersion   string
		Kind         string
		Metadata     Metadata
		Spec, Status json.RawMessage
	}
	if err := json.Unmarshal(text, &read); err != nil {
		return err
	}
	*o = Object{APIVersion: read.APIVersion, Kind: read.Kind, Metadata: read.Metadata}
	var status any
	switch read.Kind {
	case Policy:
		o.Spec, status = &v2.PolicySpec{}, &v2.PolicyStatus{}
	case Set:
		o.Spec, status = &v2.PolicySetSpec{}, &v2.PolicySetStatus{}
	case Config:
		o.Spec, status = &v2.PolicyConfigSpec{}, &v2.PolicyConfigStatus{}
	case Exception:
		o.Spec, status = &v2.PolicyExceptionSpec{}, &v2.PolicyExceptionStatus{}
	default:
		return fmt.Errorf("an object is of kind %q, and none of %s, %s, %s and %s", read.Kind, Policy, Set, Config, Exception)
	}
	if len(read.Spec) == 0 {
		return fmt.Errorf("%s %s has no spec", read.Kind, read.Metadata.Name)
	}
	if err := json.Unmarshal(read.Spec, o.Spec); err != nil {
		return fmt.Errorf("the spec of %s %s: %w", read.Kind, read.Metadata.Name, err)
	}
	if len(read.Status) > 0 {
		if err := json.Unmarshal(read.Status, status); err != nil {
			return fmt.Errorf("the status of %s %s: %w", read.Kind, read.Metadata.Name, err)
		}
		o.Status = status
	}
	return nil
}
