#!/bin/bash -e
ctx instance runtime-properties grazes "$(ctx instance id)"
