package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// manifests are the objects of a file, by kind.
type manifests struct {
	deployments []*appsv1.Deployment
	services    []*corev1.Service
	budgets     []*policyv1.PodDisruptionBudget
}

func checkManifests(text []byte) (environ []string, err error) {
	m, err := decode(text)
	if err != nil {
		return nil, err
	}
	for _, d := range m.deployments {
		if !matches(d.Spec.Selector, d.Spec.Template.Labels) {
			err = errors.Join(err, fmt.Errorf("Deployment %s does not select its own pods", d.Name))
		}
		for _, c := range d.Spec.Template.Spec.Containers {
			err = errors.Join(err, checkProbe(c, c.ReadinessProbe), checkProbe(c, c.LivenessProbe))
			if c.Name == "fourseven" {
				environ = append(environ, environment(c)...)
				err = errors.Join(err, checkGrace(d.Spec.Template.Spec, c))
			}
		}
	}
	for _, s := range m.services {
		err = errors.Join(err, m.checkService(s))
	}
	for _, b := range m.budgets {
		if m.podsOf(b.Spec.Selector) == nil {
			err = errors.Join(err, fmt.Errorf("PodDisruptionBudget %s selects no pods", b.Name))
		}
	}
	return environ, err
}

// decode refuses fields that the API does not know, and fields that stand twice.
func decode(text []byte) (m manifests, err error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{appsv1.AddToScheme, corev1.AddToScheme, policyv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return m, err
		}
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := reader.Read()
		if err == io.EOF {
			return m, nil
		}
		if err != nil {
			return m, err
		}
		object, _, err := decoder.Decode(document, nil, nil)
		if err != nil {
			return m, err
		}
		switch o := object.(type) {
		case *appsv1.Deployment:
			m.deployments = append(m.deployments, o)
		case *corev1.Service:
			m.services = append(m.services, o)
		case *policyv1.PodDisruptionBudget:
			m.budgets = append(m.budgets, o)
		default:
			return m, fmt.Errorf("no check for a %T", o)
		}
	}
}

func matches(s *metav1.LabelSelector, of map[string]string) bool {
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && !selector.Empty() && selector.Matches(labels.Set(of))
}

// podsOf returns the pods that are selected, or nil.
func (m manifests) podsOf(s *metav1.LabelSelector) *corev1.PodSpec {
	for _, d := range m.deployments {
		if matches(s, d.Spec.Template.Labels) {
			return &d.Spec.Template.Spec
		}
	}
	return nil
}

func (m manifests) checkService(s *corev1.Service) (err error) {
	pods := m.podsOf(&metav1.LabelSelector{MatchLabels: s.Spec.Selector})
	if pods == nil {
		return fmt.Errorf("Service %s selects no pods", s.Name)
	}
	for _, p := range s.Spec.Ports {
		if !hasPort(pods.Containers[0], p.TargetPort) {
			err = errors.Join(err, fmt.Errorf("Service %s: no container has the port %s", s.Name, p.TargetPort.String()))
		}
	}
	return err
}

func hasPort(c corev1.Container, port intstr.IntOrString) bool {
	for _, p := range c.Ports {
		if p.Name == port.StrVal || p.ContainerPort == port.IntVal {
			return true
		}
	}
	return false
}

func checkProbe(c corev1.Container, p *corev1.Probe) error {
	if p != nil && (p.HTTPGet == nil || !hasPort(c, p.HTTPGet.Port)) {
		return fmt.Errorf("container %s: a probe of a port that it does not have", c.Name)
	}
	return nil
}

// checkGrace wants more time for the pod than its shutdown may take.
func checkGrace(pod corev1.PodSpec, c corev1.Container) error {
	var shutdown time.Duration
	for _, e := range c.Env {
		if e.Name == "LB_SHUTDOWN_DELAY" || e.Name == "LB_DRAIN_TIMEOUT" {
			d, err := time.ParseDuration(e.Value)
			if err != nil {
				return fmt.Errorf("%s: %w", e.Name, err)
			}
			shutdown += d
		}
	}
	if grace := pod.TerminationGracePeriodSeconds; grace == nil || time.Duration(*grace)*time.Second <= shutdown {
		return fmt.Errorf("container %s: terminationGracePeriodSeconds is not above %s", c.Name, shutdown)
	}
	return nil
}

func environment(c corev1.Container) (environ []string) {
	for _, e := range c.Env {
		environ = append(environ, e.Name+"="+e.Value)
	}
	return environ
}
