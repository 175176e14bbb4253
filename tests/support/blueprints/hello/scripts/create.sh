#!/bin/bash -e
ctx logger info "greeting ${who}"
ctx instance runtime-properties said "hello ${who}"
