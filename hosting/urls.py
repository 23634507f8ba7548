from django.urls import path

from hosting import challenges, knock

urlpatterns = [
    path("inside/wake/i<int:pk>/", knock.wake, name="knock"),
    path(".well-known/acme-challenge/<str:token>", challenges.answer, name="challenge"),
]
