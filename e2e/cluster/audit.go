package cluster

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Request is what the API server recorded of a request.
type Request struct {
	Verb       string `json:"verb"`
	RequestURI string `json:"requestURI"`
	User       struct {
		Username string `json:"username"`
	} `json:"user"`
	// ImpersonatedUser is who the user asked to be taken for; empty for nobody else.
	ImpersonatedUser struct {
		Username string `json:"username"`
	} `json:"impersonatedUser"`
	UserAgent string `json:"userAgent"`
	ObjectRef struct {
		APIGroup    string `json:"apiGroup"`
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
	} `json:"objectRef"`
	ResponseStatus struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
	// Annotations tell the decision about authorization, and what webhooks noted.
	Annotations map[string]string `json:"annotations"`
}

// Denied tells whether the user has no right to make the request.
func (r Request) Denied() bool { return r.Annotations["authorization.k8s.io/decision"] == "forbid" }

func (c *Cluster) auditLog() string { return filepath.Join(c.dir, "audit.log") }

// Requests are those that a user made so far, in order. Watches that end are there twice: from their begin and from their end.
func (c *Cluster) Requests(user string) ([]Request, error) {
	file, err := os.Open(c.auditLog())
	if err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	defer file.Close()
	var requests []Request
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var r Request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("reading the audit log: %w", err)
		}
		if r.User.Username == user {
			requests = append(requests, r)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	return requests, nil
}
