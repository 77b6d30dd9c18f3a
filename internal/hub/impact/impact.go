// Package impact has the hub tell what a change of policies would do to what its cluster runs: see survey.Compare.
package impact

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/gate/survey"
	"github.com/assay-gitops/assay/internal/kube"
	"github.com/assay-gitops/assay/policy"
)

// maxChanges bounds the differences that are kept of one comparison.
const maxChanges = 10_000

// Change of policies.
type Change struct {
	// Objects take the place of those of the same kind and name; Without are gone.
	Objects []*policy.Object
	Without []survey.Ref
	// Mode in which policies act; Namespaces to look in, all when empty.
	Mode       v2.Mode
	Namespaces []string
	// Past gives what was sent to admission, to be judged as well; may be nil. See survey.Options.
	Past func(ctx context.Context, each func(*survey.PastObject) error) error
}

// Surveyor reads the cluster with the rights of the hub. It is safe for concurrent use.
type Surveyor struct {
	dynamic   dynamic.Interface
	metadata  metadata.Interface
	discovery discovery.DiscoveryInterface
}

// New makes the clients.
func New(config *rest.Config) (*Surveyor, error) {
	var failures [3]error
	s := &Surveyor{}
	s.dynamic, failures[0] = dynamic.NewForConfig(config)
	s.metadata, failures[1] = metadata.NewForConfig(config)
	s.discovery, failures[2] = discovery.NewDiscoveryClientForConfig(config)
	if err := errors.Join(failures[:]...); err != nil {
		return nil, fmt.Errorf("making clients of the cluster: %w", err)
	}
	return s, nil
}

// Impact of a change. A survey.UnknownRefError is a Without that there is not.
func (s *Surveyor) Impact(ctx context.Context, change Change) (*survey.Impact, error) {
	found, err := survey.Propose(ctx, survey.Options{
		Client: s.dynamic, Metadata: s.metadata, Discovery: s.discovery, Mode: change.Mode, FailOn: v2.SeverityLow,
		Namespaces: change.Namespaces, Exempt: kube.ExemptNamespaces(""), MaxFindings: maxChanges, Past: change.Past,
	}, change.Objects, change.Without)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what could not be done
	}
	return found, ctx.Err()
}
