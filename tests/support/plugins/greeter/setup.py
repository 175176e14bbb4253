from setuptools import setup

setup(name="cfy-test-greeter", version="1.0.0", packages=["greeter"])
