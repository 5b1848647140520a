#!/bin/sh
echo "Hello from one image."
