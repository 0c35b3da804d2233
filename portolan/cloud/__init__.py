"""Clouds before anything is bought: is the plan possible with this account, in this region?"""
