package searchserver

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/assay-gitops/assay/internal/words"
)

// maxAnswer bounds what is read of an answer unless the options do. That to a batch has a few hundred bytes for each result that was refused.
const maxAnswer = 16 << 20

// Answer is what a request came to, as far as it came.
type Answer struct {
	// Status is 0 when there was no answer.
	Status int
	// ErrorType is the server's name for what is wrong.
	ErrorType string
	// RetryAfter is the header of that name.
	RetryAfter string
}

// Call sends a request and decodes a good answer into result, unless that is nil. Its errors have neither credentials nor the path of the
// address, which may be a secret.
func (c *Client) Call(ctx context.Context, method, path string, body []byte, result any) (Answer, error) {
	var a Answer
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return a, fmt.Errorf("making a request for the search server at %s failed", c.host)
	}
	authorization, err := c.authorization()
	if err != nil {
		return a, err
	}
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	request.Header.Set("Content-Type", "application/json")
	if c.o.UserAgent != "" {
		request.Header.Set("User-Agent", c.o.UserAgent)
	}
	client, err := c.httpClient()
	if err != nil {
		return a, err
	}
	response, err := client.Do(request)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // its text has the whole URL, whose path may be a secret
		}
		return a, fmt.Errorf("sending to the search server at %s: %w", c.host, err)
	}
	defer response.Body.Close()
	limit := cmp.Or(c.o.MaxAnswer, maxAnswer)
	said, err := io.ReadAll(io.LimitReader(response.Body, limit))
	if err != nil {
		return a, fmt.Errorf("reading the answer of the search server at %s: %w", c.host, err)
	}
	if int64(len(said)) == limit {
		return a, fmt.Errorf("the answer of the search server at %s to %s %s is longer than %d bytes", c.host, method, path, limit)
	}
	a.Status = response.StatusCode
	if a.Status/100 == 2 {
		if result == nil {
			return a, nil
		}
		if err := json.Unmarshal(said, result); err != nil {
			return a, fmt.Errorf("the search server at %s answered %s %s with what is not its JSON; is the address right?", c.host, method, path)
		}
		return a, nil
	}
	a.RetryAfter = response.Header.Get("Retry-After")
	var failure struct {
		Error Failure `json:"error"`
	}
	_ = json.Unmarshal(said, &failure) // a proxy answers otherwise
	a.ErrorType = failure.Error.Type
	text := failure.Error.String()
	if text == "" {
		text = string(said)
	}
	err = fmt.Errorf("the search server at %s answered %s: %s", c.host, response.Status, Brief(text))
	switch a.Status {
	case http.StatusUnauthorized:
		err = fmt.Errorf("%w (it wants a user and password or an API key, or does not take those that are configured)", err)
	case http.StatusForbidden:
		err = fmt.Errorf("%w (the configured user may not do that: it needs %s)", err, c.o.Rights)
	}
	return a, err
}

// Failure is what a server says is wrong.
type Failure struct {
	Type     string   `json:"type"`
	Reason   string   `json:"reason"`
	CausedBy *Failure `json:"caused_by"`
}

// UnmarshalJSON takes texts as well, as some requests are answered.
func (f *Failure) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, &f.Reason) == nil {
		return nil
	}
	type plain Failure
	return json.Unmarshal(data, (*plain)(f))
}

// String is all that it says, on one line.
func (f *Failure) String() string {
	var parts []string
	for depth := 0; f != nil && depth < 3; f, depth = f.CausedBy, depth+1 {
		part := strings.TrimPrefix(f.Type+": "+f.Reason, ": ")
		if f.Type != "" || f.Reason != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "; ")
}

// Brief makes what a server says fit for a log.
func Brief(text string) string { return words.OneLine(text, 400) }

// authorization is the header of that name; empty for none. Its errors do not have what is in the files.
func (c *Client) authorization() (string, error) {
	switch {
	case c.o.APIKey != "" || c.o.APIKeyFile != "":
		key, err := secret(c.o.APIKey, c.o.APIKeyFile)
		if err != nil {
			return "", fmt.Errorf("reading the API key for the search server: %w", err)
		}
		return "ApiKey " + key, nil
	case c.o.Username != "":
		password, err := secret(c.o.Password, c.o.PasswordFile)
		if err != nil {
			return "", fmt.Errorf("reading the password for the search server: %w", err)
		}
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.o.Username+":"+password)), nil
	}
	return "", nil
}

// secret is a text, or the first line of a file.
func secret(text, file string) (string, error) {
	if file == "" {
		return text, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	line := strings.TrimRight(string(content), "\r\n")
	if line == "" {
		return "", fmt.Errorf("the file %s is empty", file)
	}
	if strings.ContainsAny(line, "\r\n") {
		return "", fmt.Errorf("the file %s has more than one line", file)
	}
	return line, nil
}

// httpClient is made again when the CA file has changed.
func (c *Client) httpClient() (*http.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var authorities []byte
	if c.o.CAFile != "" {
		var err error
		if authorities, err = os.ReadFile(c.o.CAFile); err != nil {
			return nil, fmt.Errorf("reading the CA file for the search server: %w", err)
		}
	}
	if c.client != nil && c.authorities == string(authorities) {
		return c.client, nil
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.o.InsecureSkipVerify} //nolint:gosec // who configures that wants it
	if c.o.CAFile != "" {
		settings.RootCAs = x509.NewCertPool()
		if !settings.RootCAs.AppendCertsFromPEM(authorities) {
			return nil, fmt.Errorf("the CA file for the search server, %s, has no certificate in PEM", c.o.CAFile)
		}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = settings
	if c.client != nil {
		c.client.CloseIdleConnections()
	}
	c.authorities = string(authorities)
	c.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return c.client, nil
}
