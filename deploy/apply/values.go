package apply

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/quoitbuild/quoit/deploy/render"
)

// values are what objects of a site may name.
type values struct {
	text    map[string]string
	secrets map[string]bool // names whose value comes from the Secret
	// secret is the state of the Secret. It stands for its values in digests:
	// from its digest, a short secret could be guessed.
	secret string
}

// readValues reads ConfigMap and Secret of the site, of which neither needs to
// exist. The Secret wins.
func readValues(ctx context.Context, c client.Client, namespace string) (values, error) {
	v := values{text: map[string]string{}, secrets: map[string]bool{}}
	key := client.ObjectKey{Namespace: namespace, Name: render.ValuesObject}
	var plain corev1.ConfigMap
	if err := c.Get(ctx, key, &plain); err != nil && !apierrors.IsNotFound(err) {
		return v, fmt.Errorf("reading the site's values: %w", explain(err))
	}
	maps.Copy(v.text, plain.Data)
	var secret corev1.Secret
	if err := c.Get(ctx, key, &secret); err != nil && !apierrors.IsNotFound(err) {
		return v, fmt.Errorf("reading the site's secret values: %w", explain(err))
	}
	for name, value := range secret.Data {
		v.text[name], v.secrets[name] = string(value), true
	}
	v.secret = string(secret.UID) + "/" + secret.ResourceVersion
	return v, nil
}

// digest is of the values with the given names, sorted; "" if there are none.
func (v values) digest(names []string) string {
	if len(names) == 0 {
		return ""
	}
	used := map[string]*string{}
	for _, name := range names {
		used[name] = nil
		if value, ok := v.text[name]; ok {
			if v.secrets[name] {
				value = v.secret
			}
			used[name] = &value
		}
	}
	data, err := json.Marshal(used) // sorted by name
	if err != nil {
		return "" // cannot be: they are texts
	}
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// ValuesChanged reports whether a value that the objects of a site use is
// another one than when they were applied last: a reason to deploy again. A
// site where nothing was applied has no such value. Any change of the Secret
// counts as one of the values from it.
func ValuesChanged(ctx context.Context, config *rest.Config, namespace, site string) (bool, error) {
	c, err := newClient(config, nil)
	if err != nil {
		return false, err
	}
	var inventory corev1.ConfigMap
	err = c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: inventoryName(site)}, &inventory)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading the inventory of site %s: %w", site, explain(err))
	}
	names := slices.DeleteFunc(strings.Split(inventory.Annotations[annotationNames], ","), func(name string) bool { return name == "" })
	if len(names) == 0 {
		return false, nil
	}
	v, err := readValues(ctx, c, namespace)
	if err != nil {
		return false, err
	}
	return v.digest(names) != inventory.Annotations[annotationValues], nil
}

// minSecret is from which length on a secret value is looked for in texts:
// shorter ones would hide every second word, and little.
const minSecret = 4

// mask hides secret values in a text: errors of the API server quote what they
// refuse, as it is, escaped, or as a Secret has it.
func (v values) mask(text string) string {
	for _, form := range v.secretForms() {
		text = strings.ReplaceAll(text, form, "***")
	}
	return text
}

// secretForms are the texts that show secret values, longest first: one may be
// a part of another, whose rest would stay.
func (v values) secretForms() []string {
	var forms []string
	for name := range v.secrets {
		value := v.text[name]
		if len(value) < minSecret {
			continue
		}
		quoted := strconv.Quote(value)
		forms = append(forms, value, quoted[1:len(quoted)-1], base64.StdEncoding.EncodeToString([]byte(value)))
	}
	slices.SortFunc(forms, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	return forms
}

// maskedError hides secret values in the text of an error.
type maskedError struct {
	text string
	err  error
}

func (e *maskedError) Error() string { return e.text }
func (e *maskedError) Unwrap() error { return e.err }

func (v values) maskError(err error) error {
	if err == nil {
		return nil
	}
	if text := v.mask(err.Error()); text != err.Error() {
		return &maskedError{text, err}
	}
	return err
}
